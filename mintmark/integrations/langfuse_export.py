"""`mintmark export langfuse`: lines of prompts into Langfuse's, labels with them, measured outcomes as scores.

Langfuse numbers versions itself, so each carries the reference and digest that it has here in its config, by which a
second export finds it again. The log keeps no trace, so an outcome is one of its own: a generation that is linked to
the version, with one score. Ids of both are made of the event's digest, so that sending them again changes nothing.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import batched, groupby
from typing import Any
from urllib.parse import quote

from mintmark.accounts.models import Team
from mintmark.common import errors
from mintmark.evidence.models import Event
from mintmark.registry.models import Label, Prompt

from . import export_common, import_report, langfuse_api, langfuse_reader, registry_import
from .registry_import import LANGFUSE

ENVIRONMENT = "mintmark"
MAX_LABEL_LENGTH = 36
_SCORE_BATCH_SIZE = 50
_PROMPTS_PATH = "/api/public/v2/prompts"


@dataclass(kw_only=True)
class LangfuseExportReport:
    """What an export wrote, or (`dry_run`) would, and what was there already."""

    address: str
    dry_run: bool
    versions: int = 0
    unchanged: int = 0
    labels: int = 0
    scores: int = 0
    repeated: int = 0
    refused: list[errors.FieldError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def refuse(self, location: str, name: str, value: object, message: str) -> None:
        """Note what could not be sent, and why."""
        self.refused.append(
            import_report.SourceFieldError(
                row=len(self.refused), field=name, value=value, message=message, file=location,
            )
        )  # fmt: skip

    def as_json(self) -> dict[str, Any]:
        """For `--json`: plain types only."""
        return {
            "address": self.address,
            "dry_run": self.dry_run,
            "versions": {"registered": self.versions, "unchanged": self.unchanged},
            "labels": self.labels,
            "scores": {"logged": self.scores, "repeated": self.repeated},
            "refused": [dict(row) for row in self.refused],
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _LangfuseVersion:
    """A prompt's version there: its number is None where it would be made, `labels` are those that stand there."""

    prompt: Prompt
    name: str
    number: int | None
    labels: frozenset[str]


def export_namespace(
    *,
    address: str,
    namespace: str,
    team: Team,
    with_scores: bool = True,
    dry_run: bool = False,
    progress: import_report.Progress = lambda completed, total: None,
) -> LangfuseExportReport:
    """Write the lines of a namespace to a project of Langfuse: of them what `team` may use. Again changes nothing.

    Raises `not_found` where the namespace has no prompt, `missing_keys`, and `export_stopped` where the server can't be
    reached, refuses the keys or answers with what its API does not document.
    """
    namespace_prompts = export_common.list_prompts(namespace=namespace)
    report = LangfuseExportReport(address=address, dry_run=dry_run)

    def build_error(path: str, reason: str) -> errors.DomainError:
        return export_common.ExportStopped(
            path if path.startswith("the ") else f"Langfuse, {path}", reason
        )

    with langfuse_api.open_api(address, build_error=build_error) as api:
        exporter = _LangfuseExporter(api=api, report=report)
        versions = list(exporter.export_versions(namespace_prompts, team=team, progress=progress))
        exporter.move_labels(versions)
        if with_scores:
            exporter.send_scores(versions, progress=progress)
        report.notes = langfuse_api.build_route_notes(api)
    return report


@dataclass(frozen=True, slots=True, kw_only=True)
class _LangfuseExporter:
    api: langfuse_api.LangfuseApi
    report: LangfuseExportReport
    takes_one_score: list[bool] = field(default_factory=list)
    """Not empty once the server took a score by itself and none in a list."""

    def export_versions(
        self, namespace_prompts: Sequence[Prompt], *, team: Team, progress: import_report.Progress
    ) -> Iterator[_LangfuseVersion]:
        """The version of each prompt that may go out, made where it is not there."""
        heads = {
            head["name"]: head
            for head in self.api.iter_rows(_PROMPTS_PATH)
            if isinstance(head, Mapping) and isinstance(head.get("name"), str)
        }
        exportable_ids = export_common.find_exportable_ids(
            team=team, namespace=namespace_prompts[0].namespace
        )
        completed = 0
        for _, group in groupby(namespace_prompts, key=lambda candidate: candidate.name):
            revisions = list(group)
            name = export_common.get_remote_name(revisions[0], tool=LANGFUSE)
            remote_versions = _RemoteVersions(
                list(self.api.iter_versions(heads[name])) if name in heads else []
            )
            for prompt in revisions:
                completed += 1
                progress(completed, len(namespace_prompts))
                if (
                    version := self._export_version(
                        prompt,
                        name=name,
                        remote_versions=remote_versions,
                        exportable_ids=exportable_ids,
                    )
                ) is not None:
                    yield version  # fmt: skip

    def _export_version(
        self,
        prompt: Prompt,
        *,
        name: str,
        remote_versions: "_RemoteVersions",
        exportable_ids: set[int],
    ) -> _LangfuseVersion | None:
        body = _build_body(prompt, name=name)
        existing = remote_versions.find(prompt, body)
        if hasattr(prompt, "tombstone"):
            if existing is not None:
                message = (
                    "It was withdrawn here and is still in Langfuse: delete that version there."
                )
                self.report.refuse(prompt.reference, "version", existing["version"], message)
            return None
        if prompt.pk not in exportable_ids:
            self.report.refuse(prompt.reference, "text", None, export_common.NOT_EXPORTABLE_REASON)
            return None
        if langfuse_api.COMPOSED_MARKER in prompt.text:
            message = "Langfuse would put another prompt in here: remove it from the text."
            self.report.refuse(prompt.reference, "text", langfuse_api.COMPOSED_MARKER, message)
            return None
        if existing is None:
            return self._create_version(prompt, body)
        if _get_marker(existing).get("digest", _format_digest(prompt)) != _format_digest(prompt):
            message = (
                "Another installation wrote another text under this reference: use another project."
            )
            self.report.refuse(prompt.reference, "version", existing["version"], message)
            return None
        self.report.unchanged += 1
        labels = existing.get("labels")
        return _LangfuseVersion(
            prompt=prompt,
            name=name,
            number=existing["version"],
            labels=frozenset(labels if isinstance(labels, list) else ()),
        )

    def _create_version(self, prompt: Prompt, body: Mapping[str, Any]) -> _LangfuseVersion | None:
        number = None
        if not self.report.dry_run:
            created, problem = self.api.send("POST", _PROMPTS_PATH, body, is_once=True)
            if problem:
                self.report.refuse(prompt.reference, "prompt", None, problem)
                return None
            number = created.get("version") if isinstance(created, Mapping) else None
            if not isinstance(number, int):
                raise self.api.build_error(
                    _PROMPTS_PATH, "It took a prompt and did not say its version."
                )
        self.report.versions += 1
        return _LangfuseVersion(prompt=prompt, name=body["name"], number=number, labels=frozenset())

    def move_labels(self, versions: Sequence[_LangfuseVersion]) -> None:
        """Move labels to where they stand here; others stay where they are."""
        by_prompt = {exported.prompt.pk: exported for exported in versions}
        labels_by_name: dict[str, dict[str, int]] = defaultdict(dict)
        for label in Label.objects.filter(prompt__in=by_prompt).order_by("label"):
            labels_by_name[by_prompt[label.prompt_id].name][label.label] = label.prompt_id
        for version in versions:
            local_labels = labels_by_name[version.name]
            to_move = {
                label
                for label, prompt in local_labels.items()
                if prompt == version.prompt.pk
                and label not in version.labels
                and self._is_allowed_label(label, version.prompt)
            }
            if not to_move:
                continue
            if not self.report.dry_run:
                unaffected = version.labels - local_labels.keys() - {langfuse_reader.RESERVED_LABEL}
                path = f"{_PROMPTS_PATH}/{quote(version.name, safe='')}/versions/{version.number}"
                _, problem = self.api.send(
                    "PATCH", path, {"newLabels": sorted(to_move | unaffected)}
                )
                if problem:
                    label_names = ", ".join(sorted(to_move))
                    self.report.refuse(version.prompt.reference, "label", label_names, problem)
                    continue
            self.report.labels += len(to_move)

    def _is_allowed_label(self, label: str, prompt: Prompt) -> bool:
        if label == langfuse_reader.RESERVED_LABEL:
            message = "Langfuse keeps this label for itself: it is always the newest version's."
        elif len(label) > MAX_LABEL_LENGTH:
            message = f"Langfuse takes labels of at most {MAX_LABEL_LENGTH} characters."
        else:
            return True
        self.report.refuse(prompt.reference, "label", label, message)
        return False

    def send_scores(
        self, versions: Sequence[_LangfuseVersion], *, progress: import_report.Progress
    ) -> None:
        """Send what was measured and is not there."""
        by_prompt = {version.prompt.pk: version for version in versions}
        events = export_common.list_outcomes(prompt_ids=by_prompt, tool=LANGFUSE)
        total, completed = events.count(), 0
        for batch in batched(events.iterator(chunk_size=_SCORE_BATCH_SIZE), _SCORE_BATCH_SIZE):
            existing_ids = self._find_existing_scores([_get_score_id(event) for event in batch])
            new = [event for event in batch if _get_score_id(event) not in existing_ids]
            self.report.repeated += len(batch) - len(new)
            if self.report.dry_run:
                self.report.scores += len(new)
            elif new:
                self._send_score_batch(new, by_prompt)
            completed += len(batch)
            progress(completed, total)

    def _find_existing_scores(self, ids: Sequence[str]) -> set[str]:
        rows = self.api.iter_scores(ids)
        return {row["id"] for row in rows if isinstance(row, Mapping) and isinstance(row.get("id"), str)}  # fmt: skip

    def _send_score_batch(
        self, events: Sequence[Event], by_prompt: Mapping[int, _LangfuseVersion]
    ) -> None:
        spans = [_build_span(event, by_prompt[event.prompt_id]) for event in events]
        path = "/api/public/otel/v1/traces"
        _, problem = self.api.send(
            "POST", path, _build_otlp_export(spans), headers=langfuse_api.INGESTION_HEADERS
        )
        if problem:
            raise self.api.build_error(path, problem)
        for event in events:
            if problem := self._send_score(_build_score(event)):
                self.report.refuse(f"event {event.pk}", "score", event.score, problem)
            else:
                self.report.scores += 1

    def _send_score(self, score: Mapping[str, Any]) -> str:
        """What the server has against a score, empty if it took it.

        Later servers take a list, earlier ones one score; both answer 400 to what they don't take.
        """
        path = "/api/public/scores"
        if langfuse_api.SCORES_V3_PATH in self.api.used_routes and not self.takes_one_score:
            answer, problem = self.api.send("POST", path, [score])
            if not problem:
                return _get_rejection(answer)
            _, single_problem = self.api.send("POST", path, score)
            if not single_problem:
                self.takes_one_score.append(True)
            return single_problem and problem
        _, problem = self.api.send("POST", path, score)
        return problem


def _get_rejection(answer: Any) -> str:
    """Why a list of one score was answered, and the score not taken; empty if it was."""
    if not isinstance(answer, Mapping) or not answer.get("rejected"):
        return ""
    return f"Langfuse did not take it: {langfuse_api.format_message(answer.get('errors'))}"


class _RemoteVersions:
    """The versions of a line that stand there, each to be found once: by its reference, else by the same text."""

    def __init__(self, raw: Sequence[Any]) -> None:
        self.raw = {
            version["version"]: version
            for version in raw
            if isinstance(version, Mapping) and isinstance(version.get("version"), int)
        }
        parsed_versions = langfuse_reader.parse_registry(
            _build_lists(raw), name="langfuse"
        ).versions
        self.texts = {version.number: version.text for version in parsed_versions}
        self.by_reference = {
            reference: version
            for version in self.raw.values()
            if (reference := _get_marker(version).get("reference"))
        }

    def find(self, prompt: Prompt, body: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The version that this prompt is, if it is there."""
        if (known := self.by_reference.get(prompt.reference)) is not None:
            return known
        (parsed,) = langfuse_reader.parse_registry(
            _build_lists([{**body, "version": 1}]), name=""
        ).versions or (None,)
        if parsed is None:
            return None
        same = [
            number
            for number, text in self.texts.items()
            if text == parsed.text and not _get_marker(self.raw[number]).get("reference")
        ]
        if not same:
            return None
        number = prompt.revision if prompt.revision in same else min(same)
        del self.texts[number]
        return self.raw[number]


def _build_lists(prompts: Sequence[Any]) -> langfuse_api.LangfuseLists:
    return {name: [] for name in langfuse_api.LIST_NAMES} | {"prompts": list(prompts)}


def _get_marker(version: Mapping[str, Any]) -> Mapping[str, str]:
    """What a version's config says of what it is here."""
    config = version.get("config")
    marker = config.get(langfuse_reader.OWN_CONFIG_KEY) if isinstance(config, Mapping) else None
    if not isinstance(marker, Mapping):
        return {}
    return {key: value for key, value in marker.items() if isinstance(value, str)}


def _format_digest(prompt: Prompt) -> str:
    return f"sha256:{prompt.digest}"


def _build_body(prompt: Prompt, *, name: str) -> dict[str, Any]:
    template = export_common.export_template(prompt)
    return {
        "name": name,
        "type": "text" if isinstance(template, str) else "chat",
        "prompt": template,
        "config": {
            langfuse_reader.OWN_CONFIG_KEY: {
                "reference": prompt.reference,
                "digest": _format_digest(prompt),
            }
        },
        "labels": [],
        "tags": list(prompt.tags),
        "commitMessage": prompt.mutation_note or None,
    }


def _derive_id(event: Event, purpose: str) -> str:
    return hashlib.sha256(f"mintmark {purpose} ".encode() + bytes(event.digest)).hexdigest()


def _get_trace_id(event: Event) -> str:
    return _derive_id(event, "trace")[:32]


def _get_span_id(event: Event) -> str:
    return _derive_id(event, "span")[:16]


def _get_score_id(event: Event) -> str:
    return f"mintmark-{_derive_id(event, 'score')[:32]}"


def _build_span(event: Event, version: _LangfuseVersion) -> dict[str, Any]:
    assert event.assistant is not None
    nanoseconds = str(int(event.occurred_at.timestamp() * 1_000_000) * 1_000)
    attributes: dict[str, str | int] = {
        "langfuse.trace.name": event.assistant.name,
        "langfuse.environment": ENVIRONMENT,
        "langfuse.observation.type": "generation",
        "langfuse.observation.prompt.name": version.name,
        "langfuse.observation.prompt.version": version.number or 0,
    }
    return {
        "traceId": _get_trace_id(event),
        "spanId": _get_span_id(event),
        "name": event.assistant.name,
        "kind": 1,
        "startTimeUnixNano": nanoseconds,
        "endTimeUnixNano": nanoseconds,
        "attributes": [
            {"key": key, "value": {"intValue" if isinstance(value, int) else "stringValue": value}}
            for key, value in attributes.items()
        ],
        "status": {},
    }


def _build_otlp_export(spans: Sequence[Any]) -> dict[str, Any]:
    service = {"key": "service.name", "value": {"stringValue": "mintmark"}}
    scopes = [{"scope": {"name": "mintmark"}, "spans": list(spans)}]
    return {"resourceSpans": [{"resource": {"attributes": [service]}, "scopeSpans": scopes}]}


def _build_score(event: Event) -> dict[str, Any]:
    assert event.ritual is not None
    return {
        "id": _get_score_id(event),
        "traceId": _get_trace_id(event),
        "observationId": _get_span_id(event),
        "name": event.ritual.name,
        "value": event.score,
        "dataType": "NUMERIC",
        "environment": ENVIRONMENT,
        "metadata": {
            registry_import.EXPORT_MARKER_TAG: registry_import.build_export_marker(event),
            "runs": event.runs,
            "ritual": str(event.ritual),
            "occurred_at": event.occurred_at.isoformat(),
        },
    }
