"""Langfuse's prompts and scores, as its public API shows them, checked one by one."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeGuard

from mintmark.common import errors
from mintmark.textchecks import chat_format

from . import import_report, langfuse_api, template_mapping
from .langfuse_api import LangfuseLists
from .registry_import import EXPORT_MARKER_TAG, ExternalFeedback, ExternalVersion, RegistryContents

RESERVED_LABEL = "latest"
"""A label that Langfuse moves by itself: the newest revision is found without one."""


def parse_registry(lists: LangfuseLists, *, name: str) -> RegistryContents:
    """What these lists hold for us. What can't be used is refused by itself, with its place in them."""
    reader = _LangfuseReader(lists)
    versions = sorted(reader.iter_versions(), key=lambda version: (version.name, version.number))
    feedback = list(reader.iter_feedback())
    return RegistryContents(
        name=name,
        versions=versions,
        feedback=feedback,
        refused=reader.refused,
        read={
            "versions": len(lists["prompts"]),
            "traces": len(lists["traces"]),
            "scores": len(lists["scores"]),
        },
    )


class _LangfuseReader:
    """Reads list by list and collects what can't be used."""

    def __init__(self, lists: LangfuseLists) -> None:
        self.lists = lists
        self.refused: list[errors.FieldError] = []

    def refuse(self, location: str, field: str, value: object, message: str) -> None:
        shown_value = value if isinstance(value, str | int | float) else None
        self.refused.append(
            import_report.SourceFieldError(
                row=len(self.refused), field=field, value=shown_value, message=message, file=location,
            )
        )  # fmt: skip

    def iter_versions(self) -> Iterator[ExternalVersion]:
        for n, raw in enumerate(self.lists["prompts"]):
            location = f"prompts.{n}"
            name = raw.get("name") if isinstance(raw, Mapping) else None
            number = raw.get("version") if isinstance(raw, Mapping) else None
            if not isinstance(name, str) or not _is_version_number(number):
                self.refuse(
                    location, "name", name, "A prompt has a name and the number of a version."
                )
                continue
            location = f"{location} ({name}, version {number})"
            if (text := self._parse_text(raw, location)) is None:
                continue
            labels, tags = raw.get("labels") or [], raw.get("tags") or []
            if not _is_text_list(labels) or not _is_text_list(tags):
                self.refuse(location, "labels", None, "labels and tags are lists of texts.")
                continue
            yield ExternalVersion(
                name=name,
                number=number,
                text=text.text,
                variables=text.variables,
                is_chat=raw.get("type") == "chat",
                message=str(raw.get("commitMessage") or ""),
                tags=tuple(tags),
                aliases=sorted(set(labels) - {RESERVED_LABEL}),
            )

    def _parse_text(
        self, raw: Mapping[str, Any], location: str
    ) -> template_mapping.MappedText | None:
        prompt = raw.get("prompt")
        if raw.get("type", "text") == "chat":
            prompt = self._parse_chat(prompt, location)
        elif not isinstance(prompt, str):
            self.refuse(location, "prompt", None, "The prompt of a type `text` is a text.")
        if not isinstance(prompt, str):
            return None
        text = template_mapping.map_template(prompt, language="langfuse")
        for part in text.unsupported:
            message = f"line {part.line}: {part.excerpt} has no meaning here: {part.reason}."
            self.refuse(location, "prompt", part.excerpt, message)
        if (at := prompt.find(langfuse_api.COMPOSED_MARKER)) >= 0:
            line = prompt.count("\n", 0, at) + 1
            message = f"line {line}: it is composed of other prompts; have Langfuse resolve it."
            self.refuse(location, "prompt", langfuse_api.COMPOSED_MARKER, message)
            return None
        return None if text.unsupported else text

    def _parse_chat(self, raw_messages: Any, location: str) -> str | None:
        messages = []
        for n, raw_message in enumerate(raw_messages if isinstance(raw_messages, list) else [None]):
            role = raw_message.get("role") if isinstance(raw_message, Mapping) else None
            content = raw_message.get("content") if isinstance(raw_message, Mapping) else None
            if role not in chat_format.ROLES or not isinstance(content, str):
                kind = raw_message.get("type") if isinstance(raw_message, Mapping) else None
                message = f"A message is a text of one of the roles {', '.join(chat_format.ROLES)}."
                self.refuse(location, f"prompt.{n}", kind, message)
                return None
            messages.append(chat_format.ChatMessage(role=role, content=content))
        try:
            return chat_format.format_chat(messages)
        except chat_format.AmbiguousMessage as error:
            self.refuse(location, "prompt", None, f"{error}.")
            return None

    def iter_feedback(self) -> Iterator[ExternalFeedback]:
        traces = _index_by_id(self.lists["traces"])
        observations = _index_by_id(self.lists["observations"])
        configs = _index_by_id(self.lists["scoreConfigs"])
        observations_by_trace: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for observation in observations.values():
            if _get_id(observation, "promptName"):
                observations_by_trace[_get_id(observation, "traceId")].append(observation)
        for n, raw in enumerate(self.lists["scores"]):
            location = f"scores.{n}"
            if not isinstance(raw, Mapping) or not all(
                isinstance(raw.get(key), str) and raw[key] for key in ("id", "name")
            ):
                self.refuse(location, "id", None, "A score has an id and a name.")
                continue
            location = f"{location} ({raw['name'][:80]})"
            score = _parse_score(raw, configs.get(_get_id(raw, "configId")))
            at = _parse_time(raw.get("timestamp"))
            direct = observations.get(_get_id(raw, "observationId"))
            generations = (
                [direct]
                if direct is not None
                else observations_by_trace.get(_get_id(raw, "traceId"), [])
            )
            linked = [
                generation
                for generation in generations
                if _get_id(generation, "promptName")
                and _is_version_number(generation.get("promptVersion"))
            ]
            trace = traces.get(_get_id(raw, "traceId"), {})
            assistant = trace.get("name") or next(
                (generation.get("model") for generation in linked), None
            )
            if score is None:
                message = "A score is true or false, 0 to 1, or on the scale that its configuration states."
                self.refuse(location, "value", raw.get("value"), message)
            elif at is None:
                message = "It is not a time such as 2026-01-31T12:00:00Z."
                self.refuse(location, "timestamp", raw.get("timestamp"), message)
            elif not linked:
                message = "No generation that it is about was linked to a prompt."
                self.refuse(location, "prompt", None, message)
            elif not isinstance(assistant, str) or not assistant.strip():
                message = "Its trace has no name and its generation no model: who answered?"
                self.refuse(location, "assistant", None, message)
            else:
                for name, number in sorted(
                    {
                        (generation["promptName"], int(generation["promptVersion"]))
                        for generation in linked
                    }
                ):
                    yield ExternalFeedback(
                        id=raw["id"],
                        name=raw["name"],
                        source=str(raw.get("source") or "api").lower(),
                        prompt=str(name),
                        number=number,
                        assistant=assistant,
                        score=score,
                        at=at,
                        export_marker=_get_marker(raw),
                    )  # fmt: skip


def _parse_score(raw: Mapping[str, Any], config: Mapping[str, Any] | None) -> float | None:
    """A score as 0 to 1, by the scale that is known: yes or no, 0 to 1, or the bounds of its configuration."""
    value = raw.get("value")
    if raw.get("dataType") == "BOOLEAN":
        return float(value) if value in (0, 1) else None
    if raw.get("dataType") == "CATEGORICAL" or isinstance(value, bool):
        return None
    if not isinstance(value, int | float) or not math.isfinite(value):
        return None
    low, high = (config or {}).get("minValue"), (config or {}).get("maxValue")
    if isinstance(low, int | float) and isinstance(high, int | float) and -1e9 <= low < high <= 1e9:
        value = (value - low) / (high - low)
    return float(value) if 0 <= value <= 1 else None


def _get_marker(raw: Mapping[str, Any]) -> str:
    metadata = raw.get("metadata")
    return _get_id(metadata, EXPORT_MARKER_TAG) if isinstance(metadata, Mapping) else ""


def _index_by_id(rows: Sequence[Any]) -> dict[str, Mapping[str, Any]]:
    return {
        row["id"]: row
        for row in rows
        if isinstance(row, Mapping) and isinstance(row.get("id"), str)
    }


def _get_id(row: Mapping[str, Any], field: str) -> str:
    value = row.get(field)
    return value if isinstance(value, str) else ""


def _parse_time(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def _is_version_number(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_text_list(values: object) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)
