"""What clauses say of a text, as answers tell it."""

from collections.abc import Iterable
from typing import Annotated, Literal, TypedDict

from pydantic import Field

from mintmark.core.clauses import Verdict

Severity = Literal["warn", "block"]


class SpanShape(TypedDict):
    """A place in the text, in characters from 0; `end` is the first after it."""

    start: int
    end: int


class VerdictShape(TypedDict):
    """What one clause says: `holds` is null where it can't be decided, which is never taken as kept. `why` says what
    was found, `excerpt` shows the place (hidden characters visible, secrets left out)."""

    codex: str
    clause: str
    text: Annotated[str, Field(description="the clause in plain words")]
    kind: str
    severity: Severity
    holds: bool | None
    why: str
    span: SpanShape | None
    excerpt: str


def told(verdicts: Iterable[Verdict]) -> list[VerdictShape]:
    return [
        {
            "codex": one.codex,
            "clause": one.clause,
            "text": one.text,
            "kind": one.kind,
            "severity": "warn" if one.severity == "warn" else "block",
            "holds": one.holds,
            "why": one.why,
            "span": None if one.span is None else {"start": one.span[0], "end": one.span[1]},
            "excerpt": one.excerpt,
        }
        for one in verdicts
    ]
