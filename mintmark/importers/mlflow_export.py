"""`mintmark export mlflow`: lines of prompts into MLflow's registry, labels as aliases, measured outcomes as feedback.

MLflow numbers versions itself, so each carries the reference and digest that it has here as tags, by which a second
export finds it again. An outcome is a trace of its own, linked to the version, with one feedback; what came from MLflow
is not sent back to it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from mintmark.core import errors, kinds, placeholders
from mintmark.evidence.models import Event
from mintmark.registry.models import Label, Prompt

from . import chats, mlflow_store, reports
from .registries import MLFLOW

DIGEST = "mintmark.digest"
REFERENCE = "mintmark.reference"
EVENT = "mintmark.event"
EXPERIMENT = "mintmark"
_PAGE = 500
_SOURCE_ID = "mintmark"
_VARIABLE = re.compile(r"[A-Za-z_]\w*")


class NothingToExport(errors.Refusal):
    """There is no prompt of what was named."""

    code = "not_found"


@dataclass(kw_only=True)
class Sent:
    """What an export wrote and what was there already."""

    store: str
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
            "versions": {"registered": self.versions, "unchanged": self.unchanged},
            "aliases": self.aliases,
            "feedback": {"logged": self.feedback, "repeated": self.repeated},
            "refused": [dict(row) for row in self.refused],
        }


def send(
    *,
    store: str,
    namespace: str,
    with_feedback: bool = True,
    experiment: str = EXPERIMENT,
    progress: reports.Progress = lambda done, total: None,
) -> Sent:
    """Write the lines of a namespace to a store, made if it is a file that is not there. Again changes nothing.

    Raises `not_found` where the namespace has no prompt, `UnreadableSource` where MLflow refuses the store.
    """
    found = list(
        Prompt.objects.filter(namespace=namespace, tombstone__isnull=True).order_by("name", "revision")
    )  # fmt: skip
    if not found:
        raise NothingToExport(f"There is no prompt in the namespace {namespace[:100]!r}.")
    sent = Sent(store=mlflow_store.shown(store))
    try:
        client, address = mlflow_store.client(store=store, must_exist=False)
        versions = _versions(client, found, sent=sent, progress=progress)
        _aliases(client, versions, sent=sent)
        if with_feedback:
            _feedback(client, address, versions, experiment=experiment, sent=sent)
    except errors.Refusal:
        raise
    except Exception as failed:  # MLflow's own, its database's, its server's: it says no which
        said = mlflow_store.shown(" ".join(str(failed).split())[:300])
        place = reports.Place(row=0, field="", value="", message=said, file=sent.store)
        raise reports.unreadable(what=sent.store, places=[place]) from failed
    return sent


type _Versions = dict[int, tuple[Prompt, Any]]


def _versions(
    client: Any, found: Sequence[Prompt], *, sent: Sent, progress: reports.Progress
) -> _Versions:
    """MLflow's version of each prompt, by the prompt's id."""
    versions: _Versions = {}
    there: dict[str, dict[str, Any]] = {}
    for n, prompt in enumerate(found):
        name = _name(prompt)
        if name not in there:
            there[name] = _there(client, name)
        version = there[name].get(prompt.reference)
        if version is None:
            version = client.register_prompt(
                name=name,
                template=_template(prompt),
                commit_message=prompt.mutation_note or None,
                tags={REFERENCE: prompt.reference, DIGEST: f"sha256:{prompt.digest}"},
            )
            sent.versions += 1
        else:
            sent.unchanged += 1
        versions[prompt.pk] = (prompt, version)
        progress(n + 1, len(found))
    return versions


def _there(client: Any, name: str) -> dict[str, Any]:
    """The versions that an earlier export wrote, by the reference that each has here."""
    if client.get_prompt(name) is None:
        return {}
    found = mlflow_store.pages(client.search_prompt_versions, name)
    return {one.tags[REFERENCE]: one for one in found if REFERENCE in one.tags}


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
        whole = client.get_prompt_version(version.name, str(version.version))
        if label.label not in whole.aliases:
            client.set_prompt_alias(version.name, label.label, int(version.version))
            sent.aliases += 1


def _feedback(
    client: Any, address: str, versions: _Versions, *, experiment: str, sent: Sent
) -> None:
    import mlflow as peer
    from mlflow.entities import AssessmentSource

    peer.set_tracking_uri(address)
    peer.set_registry_uri(address)
    known = client.get_experiment_by_name(experiment)
    where = known.experiment_id if known else client.create_experiment(experiment)
    traces = mlflow_store.pages(client.search_traces, locations=[where], include_spans=False)
    done = {one.info.tags.get(EVENT) for one in traces if one.info.assessments}
    source = AssessmentSource(source_type="CODE", source_id=_SOURCE_ID)
    events = Event.objects.filter(prompt__in=versions, kind=kinds.Kind.OUTCOME)
    measured = events.exclude(batch__source=MLFLOW.source).select_related("ritual", "assistant")
    for event in measured.order_by("id").iterator(chunk_size=_PAGE):
        if str(event.pk) in done:
            sent.repeated += 1
            continue
        assert event.ritual is not None and event.assistant is not None
        tags = {EVENT: str(event.pk), mlflow_store.ASSISTANT_TAG: event.assistant.name}
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
        sent.feedback += 1


def _name(prompt: Prompt) -> str:
    """MLflow's names are of letters, digits and - _ . alone; what came from there has its own name again."""
    line = prompt.name if prompt.namespace == MLFLOW.slug else prompt.line
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", line.replace("/", "."))


def _template(prompt: Prompt) -> str | list[dict[str, str]]:
    """The text with its variables as MLflow writes them; a chat as its messages."""
    text, end = "", 0
    for one in placeholders.standing(prompt.text):
        is_variable = one.name in prompt.variables and _VARIABLE.fullmatch(one.name)
        text += prompt.text[end : one.start]
        text += f"{{{{{one.name}}}}}" if is_variable else prompt.text[one.start : one.end]
        end = one.end
    text += prompt.text[end:]
    if chats.TAG not in prompt.tags:
        return text
    return [{"role": one.role, "content": one.content} for one in chats.messages_of(text)]
