"""Replies from a recorded transcript, for runs that took place elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from mintmark.common import errors

from . import CallFailed, ModelRequest, ModelResponse

MAX_REPLIES = 20_000
MAX_TEXT_LENGTH = 200_000


class InvalidTranscript(errors.DomainError):
    """A transcript is invalid: it is not a list of replies."""

    code = "invalid_transcript"


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptRunner:
    """Recorded replies by case and frame. A frame without a recorded reply has none: the plain frame's is not used for
    it."""

    replies: Mapping[str, Mapping[str, Any]]

    description: ClassVar[str] = "a transcript: replies that were written down before"

    async def answer(self, request: ModelRequest) -> ModelResponse:
        recorded = self.replies.get(_build_key(request.case, request.frame))
        if recorded is None:
            raise CallFailed(
                "not_in_transcript",
                f"the transcript has no reply to the case {request.case!r} in frame {request.frame}",
            )
        return ModelResponse(
            text=recorded["output"],
            latency_ms=float(recorded["latency_ms"]),
            tokens_in=recorded["tokens_in"],
            tokens_out=recorded["tokens_out"],
        )

    async def close(self) -> None:
        return None


def validate_replies(document: object) -> dict[str, dict[str, Any]]:
    """The replies of a transcript as a runner stores them, from a list of `{case, output}`, each with `frame`,
    `latency_ms`, `tokens_in` and `tokens_out` where known."""
    if not isinstance(document, list) or not 1 <= len(document) <= MAX_REPLIES:
        raise InvalidTranscript(
            f"A transcript is a list of 1 to {MAX_REPLIES:,} replies, each with `case` and `output`."
        )
    problems: list[errors.FieldError] = []
    replies: dict[str, dict[str, Any]] = {}
    for n, entry in enumerate(document):
        field, message = _find_problem(entry)
        if not field:
            key = _build_key(str(entry["case"]), int(entry.get("frame", 0)))
            if key in replies:
                field, message = "case", "There is a reply to this case in this frame already."
        if field:
            value = entry.get(field) if isinstance(entry, Mapping) else None
            shown_value = value if isinstance(value, str | int | float) else None
            problems.append(
                errors.FieldError(
                    row=n,
                    field=field,
                    value=None if field == "output" else shown_value,
                    message=message,
                )
            )
            continue
        replies[key] = {
            "output": entry["output"],
            "latency_ms": float(entry.get("latency_ms", 0.0)),
            "tokens_in": int(entry.get("tokens_in", 0)),
            "tokens_out": int(entry.get("tokens_out", 0)),
        }
    if problems:
        raise InvalidTranscript(
            f"Reply {problems[0]['row']}: {problems[0]['field']}: {problems[0]['message']}",
            rows=problems[:100],
        )
    return replies


def _find_problem(entry: object) -> tuple[str, str]:
    if not isinstance(entry, Mapping):
        return "reply", "A reply must be a mapping with `case` and `output`."
    if not isinstance(entry.get("case"), str) or not entry["case"]:
        return "case", "It must name the case that it answers."
    output = entry.get("output")
    if not isinstance(output, str) or len(output) > MAX_TEXT_LENGTH or "\0" in output:
        return "output", f"It must be a text of at most {MAX_TEXT_LENGTH:,} characters."
    for field, maximum in (
        ("frame", 1_000),
        ("latency_ms", 10**9),
        ("tokens_in", 2**31),
        ("tokens_out", 2**31),
    ):
        value = entry.get(field, 0)
        kinds = (int, float) if field == "latency_ms" else (int,)
        if isinstance(value, bool) or not isinstance(value, kinds) or not 0 <= value < maximum:
            return field, "It must be a number of 0 or more."
    return "", ""


def _build_key(case: str, frame: int) -> str:
    return f"{frame}:{case}"
