"""Grade one output: by the case's assertions, by the codices that apply, and by the memory that it should use."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mintmark.registry.models import Prompt
from mintmark.textchecks import assertions, clauses, memory_overlap
from mintmark.textchecks.assertions import AssertionGrade

from . import redaction
from .case_execution import CaseAnswer
from .codex_snapshot import PinnedCodex
from .definitions import Case


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseGrading:
    """What is stored of a grading, as plain values. `grade` is the overall result."""

    grade: AssertionGrade
    assertions: list[dict[str, Any]]
    clauses: list[dict[str, Any]]
    recall: list[dict[str, Any]]


def grade_answer(
    *,
    case: Case,
    answer: CaseAnswer,
    pinned_codices: Sequence[PinnedCodex],
    memory: Mapping[str, str],
    prompt: Prompt,
    secrets: Sequence[str],
) -> CaseGrading:
    """Grade a reply. The whole reply is graded as it came; reasons and excerpts are redacted before they are stored."""
    output = answer.response.text
    redact_text = functools.partial(redaction.redact, secrets=secrets, prompt=prompt.text)
    reply_meta = assertions.ReplyMeta(
        cost_micro=answer.cost_micro, latency_ms=answer.response.latency_ms
    )
    verdicts = iter(answer.verdicts)
    results, remaining_work = [], assertions.MAX_SCHEMA_WORK
    for assertion in case.assertions:
        if assertion.needs_judge:
            passed, score = next(verdicts)
            results.append(assertions.apply_judgement(assertion, passed=passed, score=score))
        else:
            result = assertions.check_assertion(
                assertion, output=output, reply_meta=reply_meta, remaining_work=remaining_work
            )
            remaining_work -= result.work
            results.append(result)
    return CaseGrading(
        grade=assertions.grade_results(results, threshold=case.threshold),
        assertions=[result.as_json() | {"why": redact_text(result.reason)} for result in results],
        clauses=[
            _build_clause_record(verdict, answer.clause_verdicts, redact_text)
            for codex in pinned_codices
            for verdict in clauses.evaluate_output(
                clauses=codex.clauses, text=output, variables=prompt.variables, codex=codex.codex
            )
        ],
        recall=[
            {"key": key, "share": memory_overlap.compute_overlap(memory[key], output)}
            for key in case.memory
        ],
    )


def _build_clause_record(
    verdict: clauses.ClauseResult,
    judge_decisions: Mapping[tuple[str, str], bool],
    redact_text: Callable[[str], str],
) -> dict[str, Any]:
    """A clause result as it is stored. A clause that only a judge can decide takes the judge's decision, if there is a
    judge."""
    judge_decision = judge_decisions.get((verdict.codex, verdict.clause))
    reason = (
        verdict.reason
        if judge_decision is None
        else ""
        if judge_decision
        else "the judge decided that it fails"
    )
    return {
        "codex": verdict.codex,
        "clause": verdict.clause,
        "text": verdict.text,
        "severity": verdict.severity,
        "holds": verdict.holds if judge_decision is None else judge_decision,
        "why": redact_text(reason),
        "span": list(verdict.span) if verdict.span is not None else None,
        "excerpt": redact_text(verdict.excerpt),
    }
