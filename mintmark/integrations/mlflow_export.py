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
from mintmark.common import errors
from mintmark.registry.models import Label, Prompt

from . import export_common, import_report, mlflow_reader, registry_import
from .registry_import import MLFLOW

DIGEST_TAG = "mintmark.digest"
REFERENCE_TAG = "mintmark.reference"
DEFAULT_EXPERIMENT = "mintmark"
_PAGE_SIZE = 500
_SOURCE_ID = "mintmark"


@dataclass(kw_only=True)
class MlflowExportReport:
    """What an export wrote, or (`dry_run`) would, and what was there already."""

    store: str
    dry_run: bool
    versions: int = 0
    unchanged: int = 0
    aliases: int = 0
    feedback: int = 0
    repeated: int = 0
    refused: list[errors.FieldError] = field(default_factory=list)

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


def export_namespace(
    *,
    store: str,
    namespace: str,
    team: Team,
    with_feedback: bool = True,
    experiment: str = DEFAULT_EXPERIMENT,
    dry_run: bool = False,
    progress: import_report.Progress = lambda completed, total: None,
) -> MlflowExportReport:
    """Write what a team may use of a namespace to a store (made if it is no file yet); again changes nothing.

    Raises `not_found` where the namespace has no prompt, `UnreadableSource` where the store is no store of MLflow's,
    `export_stopped` where MLflow does not go on.
    """
    live_prompts = [
        prompt
        for prompt in export_common.list_prompts(namespace=namespace)
        if not hasattr(prompt, "tombstone")
    ]
    exportable_ids = export_common.find_exportable_ids(team=team, namespace=namespace)
    exportable = [prompt for prompt in live_prompts if prompt.pk in exportable_ids]
    report = MlflowExportReport(store=mlflow_reader.hide_credentials(store), dry_run=dry_run)
    for prompt in live_prompts:
        if prompt.pk not in exportable_ids:
            row = import_report.SourceFieldError(
                row=len(report.refused), field="text", value=None, message=export_common.NOT_EXPORTABLE_REASON,
                file=prompt.reference,
            )  # fmt: skip
            report.refused.append(row)
    if dry_run and not mlflow_reader.store_exists(store):
        report.versions = len(exportable)
        report.aliases = Label.objects.filter(prompt__in=exportable).count()
        ids = [prompt.pk for prompt in exportable] if with_feedback else []
        report.feedback = export_common.list_outcomes(prompt_ids=ids, tool=MLFLOW).count()
        return report
    try:
        client, address = mlflow_reader.open_client(store=store, must_exist=False)
        versions = _export_versions(client, exportable, report=report, progress=progress)
        _move_aliases(client, versions, report=report)
        if with_feedback:
            _send_feedback(
                client, address, versions, experiment=experiment, report=report, progress=progress
            )
    except errors.DomainError:
        raise
    except Exception as error:  # MLflow's own, its database's, its server's: it says no which
        message = mlflow_reader.hide_credentials(" ".join(str(error).split())[:300])
        raise export_common.ExportStopped(report.store, message) from error
    return report


type _Versions = dict[int, tuple[Prompt, Any]]


def _export_versions(
    client: Any,
    exportable: Sequence[Prompt],
    *,
    report: MlflowExportReport,
    progress: import_report.Progress,
) -> _Versions:
    """MLflow's version of each prompt, by the prompt's id; None where it would be made."""
    versions: _Versions = {}
    remote_versions: dict[str, dict[object, Any]] = {}
    for n, prompt in enumerate(exportable):
        name = _build_remote_name(prompt)
        if name not in remote_versions:
            remote_versions[name] = _find_remote_versions(client, name)
        version = remote_versions[name].get(prompt.reference) or remote_versions[name].get(
            _get_original_key(prompt)
        )
        if version is not None:
            report.unchanged += 1
        else:
            report.versions += 1
            if not report.dry_run:
                version = client.register_prompt(
                    name=name,
                    template=export_common.export_template(prompt),
                    commit_message=prompt.mutation_note or None,
                    tags={REFERENCE_TAG: prompt.reference, DIGEST_TAG: f"sha256:{prompt.digest}"},
                )
        versions[prompt.pk] = (prompt, version)
        progress(n + 1, len(exportable))
    return versions


def _find_remote_versions(client: Any, name: str) -> dict[object, Any]:
    """The versions that are there: by the reference that an export gave each, else by their number and text."""
    if client.get_prompt(name) is None:
        return {}
    remote_versions = mlflow_reader.iter_pages(client.search_prompt_versions, name)
    return {
        version.tags.get(REFERENCE_TAG)
        or (int(version.version), mlflow_reader.get_text(version)): version
        for version in remote_versions
    }


def _get_original_key(prompt: Prompt) -> object:
    """The number and text by which a prompt that came from MLflow stands there."""
    return (prompt.revision, prompt.text) if prompt.namespace == MLFLOW.slug else None


def _move_aliases(client: Any, versions: _Versions, *, report: MlflowExportReport) -> None:
    labels = Label.objects.filter(prompt__in=versions).select_related("prompt")
    for label in labels.order_by("namespace", "name", "label"):
        _, version = versions[label.prompt_id]
        if re.fullmatch(r"latest|v\d+", label.label):
            message = "MLflow keeps this name for itself: it can't be an alias."
            row = import_report.SourceFieldError(
                row=len(report.refused), field="label", value=label.label, message=message,
                file=label.prompt.qualified_name,
            )  # fmt: skip
            report.refused.append(row)
            continue
        if version is not None:
            full_version = client.get_prompt_version(version.name, str(version.version))
            if label.label in full_version.aliases:
                continue
            if not report.dry_run:
                client.set_prompt_alias(version.name, label.label, int(version.version))
        report.aliases += 1


def _send_feedback(
    client: Any,
    address: str,
    versions: _Versions,
    *,
    experiment: str,
    report: MlflowExportReport,
    progress: import_report.Progress,
) -> None:
    import mlflow as peer
    from mlflow.entities import AssessmentSource

    peer.set_tracking_uri(address)
    peer.set_registry_uri(address)
    known = client.get_experiment_by_name(experiment)
    experiment_id = known.experiment_id if known else None
    if experiment_id is None and not report.dry_run:
        experiment_id = client.create_experiment(
            experiment, artifact_location=mlflow_reader.get_artifact_location(address, experiment)
        )
    sent_markers = _find_sent_markers(client, experiment_id)
    source = AssessmentSource(source_type="CODE", source_id=_SOURCE_ID)
    events = export_common.list_outcomes(prompt_ids=versions, tool=MLFLOW)
    total = events.count()
    for n, event in enumerate(events.iterator(chunk_size=_PAGE_SIZE)):
        progress(n + 1, total)
        if registry_import.build_export_marker(event) in sent_markers:
            report.repeated += 1
            continue
        report.feedback += 1
        if report.dry_run:
            continue
        assert event.ritual is not None and event.assistant is not None
        tags = {
            registry_import.EXPORT_MARKER_TAG: registry_import.build_export_marker(event),
            mlflow_reader.ASSISTANT_TAG: event.assistant.name,
        }
        nanoseconds = int(event.occurred_at.timestamp() * 1_000_000_000)
        span = client.start_trace(
            event.assistant.name, tags=tags, experiment_id=experiment_id, start_time_ns=nanoseconds
        )
        client.end_trace(span.trace_id, end_time_ns=nanoseconds)
        peer.flush_trace_async_logging()
        client.link_prompt_versions_to_trace([versions[event.prompt_id][1]], span.trace_id)
        peer.log_feedback(
            trace_id=span.trace_id,
            name=event.ritual.name,
            value=event.score,
            source=source,
            metadata={"runs": str(event.runs), "ritual": str(event.ritual)},
        )


def _find_sent_markers(client: Any, experiment: str | None) -> set[str]:
    """The marks of the events whose feedback is in an experiment."""
    if experiment is None:
        return set()
    traces = mlflow_reader.iter_pages(
        client.search_traces, locations=[experiment], include_spans=False
    )
    return {
        trace.info.tags.get(registry_import.EXPORT_MARKER_TAG, "")
        for trace in traces
        if trace.info.assessments
    }


def _build_remote_name(prompt: Prompt) -> str:
    """MLflow's names are of letters, digits and - _ . alone."""
    remote_name = export_common.get_remote_name(prompt, tool=MLFLOW)
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", remote_name.replace("/", "."))
