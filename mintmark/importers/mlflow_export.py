"""`mintmark export mlflow`: lines of prompts into MLflow's registry, labels as aliases, measured outcomes as feedback.

MLflow numbers versions itself, so each carries the reference and digest that it has here as tags, by which a second
export finds it again. An outcome is a trace of its own, linked to the version, with one feedback; what came from MLflow
is not sent back to it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from mintmark.accounts.models import Team
from mintmark.core import errors
from mintmark.registry.models import Label, Prompt

from . import departures, mlflow_store, registries, reports
from .registries import MLFLOW

DIGEST = "mintmark.digest"
REFERENCE = "mintmark.reference"
EXPERIMENT = "mintmark"
_PAGE = 500
_SOURCE_ID = "mintmark"


@dataclass(kw_only=True)
class Sent:
    """What an export wrote, or (`dry_run`) would, and what was there already."""

    store: str
    dry_run: bool
    versions: int = 0
    unchanged: int = 0
    aliases: int = 0
    feedback: int = 0
    repeated: int = 0
    refused: list[errors.Row] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For `--json`: plain types only."""
        return {
            "store": self.store,
            "dry_run": self.dry_run,
            "versions": {"registered": self.versions, "unchanged": self.unchanged},
            "aliases": self.aliases,
            "feedback": {"logged": self.feedback, "repeated": self.repeated},
            "refused": [dict(row) for row in self.refused],
        }


def send(
    *,
    store: str,
    namespace: str,
    team: Team,
    with_feedback: bool = True,
    experiment: str = EXPERIMENT,
    dry_run: bool = False,
    progress: reports.Progress = lambda done, total: None,
) -> Sent:
    """Write what a team may use of a namespace to a store (made if it is no file yet); again changes nothing.

    Raises `not_found` where the namespace has no prompt, `UnreadableSource` where the store is no store of MLflow's,
    `export_stopped` where MLflow does not go on.
    """
    live = [one for one in departures.prompts(namespace=namespace) if not hasattr(one, "tombstone")]
    may_leave = departures.may_leave(team=team, namespace=namespace)
    found = [one for one in live if one.pk in may_leave]
    sent = Sent(store=mlflow_store.shown(store), dry_run=dry_run)
    for one in live:
        if one.pk not in may_leave:
            row = reports.Place(
                row=len(sent.refused), field="text", value=None, message=departures.KEPT,
                file=one.reference,
            )  # fmt: skip
            sent.refused.append(row)
    if dry_run and not mlflow_store.is_there(store):
        sent.versions = len(found)
        sent.aliases = Label.objects.filter(prompt__in=found).count()
        ids = [one.pk for one in found] if with_feedback else []
        sent.feedback = departures.outcomes(of=ids, tool=MLFLOW).count()
        return sent
    try:
        client, address = mlflow_store.client(store=store, must_exist=False)
        versions = _versions(client, found, sent=sent, progress=progress)
        _aliases(client, versions, sent=sent)
        if with_feedback:
            _feedback(
                client, address, versions, experiment=experiment, sent=sent, progress=progress
            )
    except errors.Refusal:
        raise
    except Exception as failed:  # MLflow's own, its database's, its server's: it says no which
        said = mlflow_store.shown(" ".join(str(failed).split())[:300])
        raise departures.Stopped(sent.store, said) from failed
    return sent


type _Versions = dict[int, tuple[Prompt, Any]]


def _versions(
    client: Any, found: Sequence[Prompt], *, sent: Sent, progress: reports.Progress
) -> _Versions:
    """MLflow's version of each prompt, by the prompt's id; None where it would be made."""
    versions: _Versions = {}
    there: dict[str, dict[object, Any]] = {}
    for n, prompt in enumerate(found):
        name = _name(prompt)
        if name not in there:
            there[name] = _there(client, name)
        version = there[name].get(prompt.reference) or there[name].get(_came_as(prompt))
        if version is not None:
            sent.unchanged += 1
        else:
            sent.versions += 1
            if not sent.dry_run:
                version = client.register_prompt(
                    name=name,
                    template=departures.template(prompt),
                    commit_message=prompt.mutation_note or None,
                    tags={REFERENCE: prompt.reference, DIGEST: f"sha256:{prompt.digest}"},
                )
        versions[prompt.pk] = (prompt, version)
        progress(n + 1, len(found))
    return versions


def _there(client: Any, name: str) -> dict[object, Any]:
    """The versions that are there: by the reference that an export gave each, else by their number and text."""
    if client.get_prompt(name) is None:
        return {}
    found = mlflow_store.pages(client.search_prompt_versions, name)
    return {
        one.tags.get(REFERENCE) or (int(one.version), mlflow_store.text_of(one)): one
        for one in found
    }


def _came_as(prompt: Prompt) -> object:
    """The number and text by which a prompt that came from MLflow stands there."""
    return (prompt.revision, prompt.text) if prompt.namespace == MLFLOW.slug else None


def _aliases(client: Any, versions: _Versions, *, sent: Sent) -> None:
    labels = Label.objects.filter(prompt__in=versions).select_related("prompt")
    for label in labels.order_by("namespace", "name", "label"):
        _, version = versions[label.prompt_id]
        if re.fullmatch(r"latest|v\d+", label.label):
            message = "MLflow keeps this name for itself: it can't be an alias."
            row = reports.Place(
                row=len(sent.refused), field="label", value=label.label, message=message,
                file=label.prompt.line,
            )  # fmt: skip
            sent.refused.append(row)
            continue
        if version is not None:
            whole = client.get_prompt_version(version.name, str(version.version))
            if label.label in whole.aliases:
                continue
            if not sent.dry_run:
                client.set_prompt_alias(version.name, label.label, int(version.version))
        sent.aliases += 1


def _feedback(
    client: Any,
    address: str,
    versions: _Versions,
    *,
    experiment: str,
    sent: Sent,
    progress: reports.Progress,
) -> None:
    import mlflow as peer
    from mlflow.entities import AssessmentSource

    peer.set_tracking_uri(address)
    peer.set_registry_uri(address)
    known = client.get_experiment_by_name(experiment)
    where = known.experiment_id if known else None
    if where is None and not sent.dry_run:
        where = client.create_experiment(
            experiment, artifact_location=mlflow_store.artifacts(address, experiment)
        )
    done = _sent_before(client, where)
    source = AssessmentSource(source_type="CODE", source_id=_SOURCE_ID)
    events = departures.outcomes(of=versions, tool=MLFLOW)
    total = events.count()
    for n, event in enumerate(events.iterator(chunk_size=_PAGE)):
        progress(n + 1, total)
        if registries.mark(event) in done:
            sent.repeated += 1
            continue
        sent.feedback += 1
        if sent.dry_run:
            continue
        assert event.ritual is not None and event.assistant is not None
        tags = {
            registries.SENT: registries.mark(event),
            mlflow_store.ASSISTANT_TAG: event.assistant.name,
        }
        at = int(event.occurred_at.timestamp() * 1_000_000_000)
        span = client.start_trace(
            event.assistant.name, tags=tags, experiment_id=where, start_time_ns=at
        )
        client.end_trace(span.trace_id, end_time_ns=at)
        peer.flush_trace_async_logging()
        client.link_prompt_versions_to_trace([versions[event.prompt_id][1]], span.trace_id)
        peer.log_feedback(
            trace_id=span.trace_id,
            name=event.ritual.name,
            value=event.score,
            source=source,
            metadata={"runs": str(event.runs), "ritual": str(event.ritual)},
        )


def _sent_before(client: Any, experiment: str | None) -> set[str]:
    """The marks of the events whose feedback is in an experiment."""
    if experiment is None:
        return set()
    traces = mlflow_store.pages(client.search_traces, locations=[experiment], include_spans=False)
    return {one.info.tags.get(registries.SENT, "") for one in traces if one.info.assessments}


def _name(prompt: Prompt) -> str:
    """MLflow's names are of letters, digits and - _ . alone."""
    line = departures.line_of(prompt, tool=MLFLOW)
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", line.replace("/", "."))
