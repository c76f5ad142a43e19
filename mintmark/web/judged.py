"""The cases of a run, a page at a time: what was answered, how it was judged, what it cost, or why there is nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.http import QueryDict

from mintmark.core.clauses import Verdict
from mintmark.registry.rituals import InvalidRitual
from mintmark.rituals import definitions
from mintmark.rituals.definitions import Case
from mintmark.rituals.models import CaseRun, RitualRun

from . import codices, inert, parameters, spoken

CASES_A_PAGE = 10
ONLY = {
    "": "all",
    "missed": "that did not pass",
    "failed": "without a result",
    "open": "still to come",
}
"""Which cases of a frame are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An assertion and what came of it; `says` follows on “The output”."""

    name: str
    says: str
    passed: bool
    score: float
    weight: float
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseLine:
    """One case in one frame. `parts` is as much of the output as is shown, `left_out` the characters that are not."""

    row: CaseRun
    asserts: Sequence[Held]
    verdicts: Sequence[Verdict]
    recall: Sequence[tuple[str, float]]
    parts: Sequence[inert.Part]
    left_out: int

    @property
    def broken(self) -> int:
        return sum(one.holds is False for one in self.verdicts)


def cases(run: RitualRun, query: QueryDict, *, frame: int) -> dict[str, Any]:
    """The cases of a frame from a place on, in the ritual's order."""
    only = parameters.choice(query, "only", allowed=tuple(ONLY), default="")
    start = parameters.whole(query, "case", highest=definitions.MOST_CASES)
    whole = parameters.flag(query, "whole")
    rows = _only(CaseRun.objects.filter(run=run, frame=frame).order_by("number"), only)
    if start is not None:
        rows = rows.filter(number__gte=start - 1)
    found = list(rows[: CASES_A_PAGE + 1])
    asked = _asked(run)
    return {
        "cases": [
            _line(row, asked[row.number] if row.number < len(asked) else None, whole=whole)
            for row in found[:CASES_A_PAGE]
        ],
        "next_case": found[CASES_A_PAGE].number + 1 if len(found) > CASES_A_PAGE else None,
        "start": start,
        "only": only,
        "only_ones": list(ONLY.items()),
        "whole": whole,
    }


def _only(rows: QuerySet[CaseRun], only: str) -> QuerySet[CaseRun]:
    if only == "missed":
        return rows.filter(passed=False)
    if only == "failed":
        return rows.filter(state=CaseRun.State.FAILED)
    if only == "open":
        return rows.filter(state__in=(CaseRun.State.WAITING, CaseRun.State.CALLING))
    return rows


def _asked(run: RitualRun) -> Sequence[Case]:
    """The ritual's cases, so that assertions can be told in words."""
    try:
        return definitions.of(run.ritual).cases
    except InvalidRitual:
        return ()


def _line(row: CaseRun, case: Case | None, *, whole: bool) -> CaseLine:
    verdicts = [_verdict(one) for one in row.clauses]
    shown = len(row.output) if whole else inert.SHOWN
    # Places are those of the output as it came: what was redacted before one moves it, and then it is not marked.
    there = [one for one in verdicts if _stands(one, row.output[:shown])]
    return CaseLine(
        row=row,
        asserts=_asserts(row, case),
        verdicts=verdicts,
        recall=[(str(one["key"]), float(one["share"])) for one in row.recall],
        parts=codices.marked(row.output[:shown], there),
        left_out=max(0, len(row.output) - shown),
    )


def _asserts(row: CaseRun, case: Case | None) -> list[Held]:
    asked = case.assertions if case is not None else ()
    told = len(asked) == len(row.assertions)
    return [
        Held(
            name=str(one["type"]),
            says=spoken.assertion(asked[n]) if told else "",
            passed=bool(one["passed"]),
            score=float(one["score"]),
            weight=float(one["weight"]),
            why=str(one["why"]),
        )
        for n, one in enumerate(row.assertions)
    ]


def _verdict(kept: Mapping[str, Any]) -> Verdict:
    span = kept["span"]
    return Verdict(
        clause=str(kept["clause"]),
        text=str(kept["text"]),
        severity=str(kept["severity"]),
        holds=kept["holds"],
        why=str(kept["why"]),
        codex=str(kept["codex"]),
        span=(int(span[0]), int(span[1])) if span is not None else None,
        excerpt=str(kept["excerpt"]),
    )


def _stands(verdict: Verdict, output: str) -> bool:
    if verdict.span is None:
        return False
    place = output[slice(*verdict.span)]
    return bool(place) and place in verdict.excerpt
