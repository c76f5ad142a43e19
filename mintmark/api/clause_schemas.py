"""What clauses say of a text, as answers tell it."""

from collections.abc import Iterable
from typing import Annotated, Literal, TypedDict

from pydantic import Field

from mintmark.textchecks.clauses import ClauseResult

Severity = Literal["warn", "block"]


class SpanOut(TypedDict):
    """A place in the text, in characters from 0; `end` is the first after it."""

    start: int
    end: int


class ClauseResultOut(TypedDict):
    """What one clause says: `holds` is null where it can't be decided, which is never taken as kept. `why` says what
    was found, `excerpt` shows the place (hidden characters visible, secrets left out)."""

    codex: str
    clause: str
    text: Annotated[str, Field(description="the clause in plain words")]
    kind: str
    severity: Severity
    holds: bool | None
    why: str
    span: SpanOut | None
    excerpt: str


def serialize_clause_results(results: Iterable[ClauseResult]) -> list[ClauseResultOut]:
    return [
        {
            "codex": result.codex,
            "clause": result.clause,
            "text": result.text,
            "kind": result.kind,
            "severity": "warn" if result.severity == "warn" else "block",
            "holds": result.holds,
            "why": result.reason,
            "span": None
            if result.span is None
            else {"start": result.span[0], "end": result.span[1]},
            "excerpt": result.excerpt,
        }
        for result in results
    ]
