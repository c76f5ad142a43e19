"""Replies that were written down before, told again: for what ran elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from mintmark.core import errors

from . import Ask, CallFailed, Reply

MOST_REPLIES = 20_000
MOST_TEXT = 200_000


class InvalidTranscript(errors.Refusal):
    """A transcript can't be used: it is no list of replies."""

    code = "invalid_transcript"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """Replies by case and frame. A frame that was not written down has no reply: it is not taken for the plain one."""

    replies: Mapping[str, Mapping[str, Any]]

    says: ClassVar[str] = "a transcript: replies that were written down before"

    async def answer(self, ask: Ask) -> Reply:
        told = self.replies.get(_key(ask.case, ask.frame))
        if told is None:
            raise CallFailed(
                "not_in_transcript",
                f"the transcript has no reply to the case {ask.case!r} in frame {ask.frame}",
            )
        return Reply(
            text=told["output"],
            latency_ms=float(told["latency_ms"]),
            tokens_in=told["tokens_in"],
            tokens_out=told["tokens_out"],
        )

    async def close(self) -> None:
        return None


def checked(document: object) -> dict[str, dict[str, Any]]:
    """Replies as a runner keeps them, from a list of `{case, output}` with `frame`, `latency_ms`, `tokens_in` and
    `tokens_out` where they are known."""
    if not isinstance(document, list) or not 1 <= len(document) <= MOST_REPLIES:
        raise InvalidTranscript(
            f"A transcript is a list of 1 to {MOST_REPLIES:,} replies, each with `case` and `output`."
        )
    problems: list[errors.Row] = []
    replies: dict[str, dict[str, Any]] = {}
    for n, told in enumerate(document):
        field, message = _problem(told)
        if not field:
            key = _key(str(told["case"]), int(told.get("frame", 0)))
            if key in replies:
                field, message = "case", "There is a reply to this case in this frame already."
        if field:
            value = told.get(field) if isinstance(told, Mapping) else None
            shown = value if isinstance(value, str | int | float) else None
            problems.append(
                errors.Row(
                    row=n, field=field, value=None if field == "output" else shown, message=message
                )
            )
            continue
        replies[key] = {
            "output": told["output"],
            "latency_ms": float(told.get("latency_ms", 0.0)),
            "tokens_in": int(told.get("tokens_in", 0)),
            "tokens_out": int(told.get("tokens_out", 0)),
        }
    if problems:
        raise InvalidTranscript(
            f"Reply {problems[0]['row']}: {problems[0]['field']}: {problems[0]['message']}",
            rows=problems[:100],
        )
    return replies


def _problem(told: object) -> tuple[str, str]:
    if not isinstance(told, Mapping):
        return "reply", "A reply is a mapping with `case` and `output`."
    if not isinstance(told.get("case"), str) or not told["case"]:
        return "case", "It names the case that it answers."
    output = told.get("output")
    if not isinstance(output, str) or len(output) > MOST_TEXT or "\0" in output:
        return "output", f"It is a text of at most {MOST_TEXT:,} characters."
    for field, most in (
        ("frame", 1_000),
        ("latency_ms", 10**9),
        ("tokens_in", 2**31),
        ("tokens_out", 2**31),
    ):
        value = told.get(field, 0)
        kinds = (int, float) if field == "latency_ms" else (int,)
        if isinstance(value, bool) or not isinstance(value, kinds) or not 0 <= value < most:
            return field, "It is a number from 0."
    return "", ""


def _key(case: str, frame: int) -> str:
    return f"{frame}:{case}"
