"""The cases of a run, a page at a time: what was answered, how it was judged, what it cost, or why there is nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.http import QueryDict

from mintmark.registry.rituals import InvalidRitual
from mintmark.rituals import definitions
from mintmark.rituals.definitions import Case
from mintmark.rituals.models import CaseRun, RitualRun
from mintmark.textchecks.clauses import ClauseResult

from .. import query_params, untrusted_text
from . import check_descriptions, codices

CASES_PER_PAGE = 10
CASE_FILTERS = {
    "": "all",
    "missed": "not passed",
    "failed": "without a result",
    "open": "open",
}
"""Which cases of a frame are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssertionRow:
    """An assertion and what came of it; `says` follows on “The output”."""

    name: str
    description: str
    passed: bool
    score: float
    weight: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRow:
    """One case in one frame. `parts` is as much of the output as is shown, `left_out` the characters that are not."""

    row: CaseRun
    assertions: Sequence[AssertionRow]
    verdicts: Sequence[ClauseResult]
    recall: Sequence[tuple[str, float]]
    segments: Sequence[untrusted_text.TextSegment]
    left_out: int

    @property
    def broken_count(self) -> int:
        return sum(result.holds is False for result in self.verdicts)


def build_case_page(run: RitualRun, query: QueryDict, *, frame: int) -> dict[str, Any]:
    """The cases of a frame from a place on, in the ritual's order."""
    case_filter = query_params.parse_choice(query, "only", allowed=tuple(CASE_FILTERS), default="")
    start = query_params.parse_integer(query, "case", maximum=definitions.MAX_CASES)
    is_whole = query_params.parse_flag(query, "whole")
    rows = _filter_cases(
        CaseRun.objects.filter(run=run, frame=frame).order_by("number"), case_filter
    )
    if start is not None:
        rows = rows.filter(number__gte=start - 1)
    fetched_rows = list(rows[: CASES_PER_PAGE + 1])
    ritual_cases = _load_cases(run)
    return {
        "cases": [
            _build_case_row(
                row,
                ritual_cases[row.number] if row.number < len(ritual_cases) else None,
                is_whole=is_whole,
            )
            for row in fetched_rows[:CASES_PER_PAGE]
        ],
        "next_case": fetched_rows[CASES_PER_PAGE].number + 1
        if len(fetched_rows) > CASES_PER_PAGE
        else None,
        "start": start,
        "only": case_filter,
        "only_ones": list(CASE_FILTERS.items()),
        "whole": is_whole,
    }


def _filter_cases(rows: QuerySet[CaseRun], case_filter: str) -> QuerySet[CaseRun]:
    if case_filter == "missed":
        return rows.filter(passed=False)
    if case_filter == "failed":
        return rows.filter(state=CaseRun.State.FAILED)
    if case_filter == "open":
        return rows.filter(state__in=(CaseRun.State.WAITING, CaseRun.State.CALLING))
    return rows


def _load_cases(run: RitualRun) -> Sequence[Case]:
    """The ritual's cases, so that assertions can be told in words."""
    try:
        return definitions.get_definition(run.ritual).cases
    except InvalidRitual:
        return ()


def _build_case_row(row: CaseRun, case: Case | None, *, is_whole: bool) -> CaseRow:
    verdicts = [_parse_clause_result(stored) for stored in row.clauses]
    shown_length = len(row.output) if is_whole else untrusted_text.EXCERPT_LENGTH
    # Places are those of the output as it came: what was redacted before one moves it, and then it is not marked.
    marked_results = [
        result for result in verdicts if _matches_excerpt(result, row.output[:shown_length])
    ]
    return CaseRow(
        row=row,
        assertions=_build_assertion_rows(row, case),
        verdicts=verdicts,
        recall=[(str(stored["key"]), float(stored["share"])) for stored in row.recall],
        segments=codices.split_at_violations(row.output[:shown_length], marked_results),
        left_out=max(0, len(row.output) - shown_length),
    )


def _build_assertion_rows(row: CaseRun, case: Case | None) -> list[AssertionRow]:
    assertions = case.assertions if case is not None else ()
    is_described = len(assertions) == len(row.assertions)
    return [
        AssertionRow(
            name=str(outcome["type"]),
            description=check_descriptions.describe_assertion(assertions[n])
            if is_described
            else "",
            passed=bool(outcome["passed"]),
            score=float(outcome["score"]),
            weight=float(outcome["weight"]),
            reason=str(outcome["why"]),
        )
        for n, outcome in enumerate(row.assertions)
    ]


def _parse_clause_result(stored: Mapping[str, Any]) -> ClauseResult:
    span = stored["span"]
    return ClauseResult(
        clause=str(stored["clause"]),
        text=str(stored["text"]),
        severity=str(stored["severity"]),
        holds=stored["holds"],
        reason=str(stored["why"]),
        codex=str(stored["codex"]),
        span=(int(span[0]), int(span[1])) if span is not None else None,
        excerpt=str(stored["excerpt"]),
    )


def _matches_excerpt(verdict: ClauseResult, output: str) -> bool:
    if verdict.span is None:
        return False
    matched_text = output[slice(*verdict.span)]
    return bool(matched_text) and matched_text in verdict.excerpt
