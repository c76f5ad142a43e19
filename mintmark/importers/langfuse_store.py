"""Langfuse's prompts and scores, as its public API shows them, checked one by one."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeGuard

from mintmark.core import errors

from . import chats, reports, templates
from .langfuse_api import Lists
from .registries import SENT, Feedback, Registry, Version

_COMPOSED = "@@@langfusePrompt:"
KEPT_BY_ITSELF = "latest"
"""A label that Langfuse moves by itself: the newest revision is found without one."""


def read(lists: Lists, *, name: str) -> Registry:
    """What these lists hold for us. What can't be used is refused by itself, with its place in them."""
    reader = _Reader(lists)
    versions = sorted(reader.versions(), key=lambda one: (one.name, one.number))
    feedback = list(reader.feedback())
    return Registry(
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


class _Reader:
    """Reads list by list and collects what can't be used."""

    def __init__(self, lists: Lists) -> None:
        self.lists = lists
        self.refused: list[errors.Row] = []

    def refuse(self, place: str, field: str, value: object, message: str) -> None:
        shown = value if isinstance(value, str | int | float) else None
        self.refused.append(
            reports.Place(row=len(self.refused), field=field, value=shown, message=message, file=place)
        )  # fmt: skip

    def versions(self) -> Iterator[Version]:
        for n, raw in enumerate(self.lists["prompts"]):
            place = f"prompts.{n}"
            name = raw.get("name") if isinstance(raw, Mapping) else None
            number = raw.get("version") if isinstance(raw, Mapping) else None
            if not isinstance(name, str) or not _is_number(number):
                self.refuse(place, "name", name, "A prompt has a name and the number of a version.")
                continue
            place = f"{place} ({name}, version {number})"
            if (text := self._text(raw, place)) is None:
                continue
            labels, tags = raw.get("labels") or [], raw.get("tags") or []
            if not _are_texts(labels) or not _are_texts(tags):
                self.refuse(place, "labels", None, "labels and tags are lists of texts.")
                continue
            yield Version(
                name=name,
                number=number,
                text=text.text,
                variables=text.variables,
                is_chat=raw.get("type") == "chat",
                message=str(raw.get("commitMessage") or ""),
                tags=tuple(tags),
                aliases=sorted(set(labels) - {KEPT_BY_ITSELF}),
            )

    def _text(self, raw: Mapping[str, Any], place: str) -> templates.Text | None:
        prompt = raw.get("prompt")
        if raw.get("type", "text") == "chat":
            prompt = self._chat(prompt, place)
        elif not isinstance(prompt, str):
            self.refuse(place, "prompt", None, "The prompt of a type `text` is a text.")
        if not isinstance(prompt, str):
            return None
        text = templates.mapped(prompt, language="mustache")
        for one in text.unmapped:
            message = f"line {one.line}: {one.what} has no meaning here: {one.why}."
            self.refuse(place, "prompt", one.what, message)
        if (at := prompt.find(_COMPOSED)) >= 0:
            line = prompt.count("\n", 0, at) + 1
            message = f"line {line}: it is composed of other prompts; have Langfuse resolve it."
            self.refuse(place, "prompt", _COMPOSED, message)
            return None
        return None if text.unmapped else text

    def _chat(self, said: Any, place: str) -> str | None:
        messages = []
        for n, one in enumerate(said if isinstance(said, list) else [None]):
            role = one.get("role") if isinstance(one, Mapping) else None
            content = one.get("content") if isinstance(one, Mapping) else None
            if role not in chats.ROLES or not isinstance(content, str):
                kind = one.get("type") if isinstance(one, Mapping) else None
                message = f"A message is a text of one of the roles {', '.join(chats.ROLES)}."
                self.refuse(place, f"prompt.{n}", kind, message)
                return None
            messages.append(chats.Message(role=role, content=content))
        try:
            return chats.written(messages)
        except chats.Ambiguous as why:
            self.refuse(place, "prompt", None, f"{why}.")
            return None

    def feedback(self) -> Iterator[Feedback]:
        traces = _by_id(self.lists["traces"])
        observations = _by_id(self.lists["observations"])
        configs = _by_id(self.lists["scoreConfigs"])
        of_trace: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for one in observations.values():
            if _id(one, "promptName"):
                of_trace[_id(one, "traceId")].append(one)
        for n, raw in enumerate(self.lists["scores"]):
            place = f"scores.{n}"
            if not isinstance(raw, Mapping) or not all(
                isinstance(raw.get(key), str) and raw[key] for key in ("id", "name")
            ):
                self.refuse(place, "id", None, "A score has an id and a name.")
                continue
            place = f"{place} ({raw['name'][:80]})"
            score = _score(raw, configs.get(_id(raw, "configId")))
            at = _moment(raw.get("timestamp"))
            direct = observations.get(_id(raw, "observationId"))
            made = [direct] if direct is not None else of_trace.get(_id(raw, "traceId"), [])
            linked = [
                one
                for one in made
                if _id(one, "promptName") and _is_number(one.get("promptVersion"))
            ]
            trace = traces.get(_id(raw, "traceId"), {})
            assistant = trace.get("name") or next((one.get("model") for one in linked), None)
            if score is None:
                message = "A score is true or false, 0 to 1, or on the scale that its configuration states."
                self.refuse(place, "value", raw.get("value"), message)
            elif at is None:
                message = "It is no time such as 2026-01-31T12:00:00Z."
                self.refuse(place, "timestamp", raw.get("timestamp"), message)
            elif not linked:
                message = "No generation that it is about was linked to a prompt."
                self.refuse(place, "prompt", None, message)
            elif not isinstance(assistant, str) or not assistant.strip():
                message = "Its trace has no name and its generation no model: who answered?"
                self.refuse(place, "assistant", None, message)
            else:
                for name, number in sorted(
                    {(one["promptName"], int(one["promptVersion"])) for one in linked}
                ):
                    yield Feedback(
                        id=raw["id"],
                        name=raw["name"],
                        source=str(raw.get("source") or "api").lower(),
                        prompt=str(name),
                        number=number,
                        assistant=assistant,
                        score=score,
                        at=at,
                        sent=_sent(raw),
                    )  # fmt: skip


def _score(raw: Mapping[str, Any], config: Mapping[str, Any] | None) -> float | None:
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


def _sent(raw: Mapping[str, Any]) -> str:
    metadata = raw.get("metadata")
    return _id(metadata, SENT) if isinstance(metadata, Mapping) else ""


def _by_id(rows: Sequence[Any]) -> dict[str, Mapping[str, Any]]:
    return {
        row["id"]: row
        for row in rows
        if isinstance(row, Mapping) and isinstance(row.get("id"), str)
    }


def _id(row: Mapping[str, Any], field: str) -> str:
    found = row.get(field)
    return found if isinstance(found, str) else ""


def _moment(said: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(said) if isinstance(said, str) else None
    except ValueError:
        return None
    return at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at


def _is_number(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _are_texts(values: object) -> bool:
    return isinstance(values, list) and all(isinstance(one, str) for one in values)
