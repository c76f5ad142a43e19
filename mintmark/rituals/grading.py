"""How one output is judged: by the case's assertions, by the codices that bind, by what was to be remembered."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mintmark.core import assertions, clauses, recall
from mintmark.core.assertions import Grade
from mintmark.registry.models import Prompt

from . import redaction
from .bindings import Bound
from .definitions import Case
from .jobs import Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Graded:
    """What is kept of a judgement, as plain values; `grade` is what it comes to."""

    grade: Grade
    assertions: list[dict[str, Any]]
    clauses: list[dict[str, Any]]
    recall: list[dict[str, Any]]


def graded(
    *,
    case: Case,
    answer: Answer,
    bound: Sequence[Bound],
    memory: Mapping[str, str],
    prompt: Prompt,
    secrets: Sequence[str],
) -> Graded:
    """Judge a reply. It is judged whole, as it came; what is kept of it in reasons and excerpts is redacted."""
    output = answer.reply.text
    kept = functools.partial(redaction.kept, secrets=secrets, prompt=prompt.text)
    told = assertions.Told(cost_micro=answer.cost_micro, latency_ms=answer.reply.latency_ms)
    verdicts = iter(answer.verdicts)
    results, left = [], assertions.MOST_WORK_OF_SCHEMAS
    for one in case.assertions:
        if one.needs_judge:
            passed, score = next(verdicts)
            results.append(assertions.judged(one, passed=passed, score=score))
        else:
            result = assertions.check(one, output=output, told=told, left=left)
            left -= result.work
            results.append(result)
    return Graded(
        grade=assertions.grade(results, threshold=case.threshold),
        assertions=[result.as_json() | {"why": kept(result.why)} for result in results],
        clauses=[
            _told(verdict, answer.clause_verdicts, kept)
            for codex in bound
            for verdict in clauses.of_output(
                clauses=codex.clauses, text=output, variables=prompt.variables, codex=codex.codex
            )
        ],
        recall=[{"key": key, "share": recall.share(memory[key], output)} for key in case.memory],
    )


def _told(
    verdict: clauses.Verdict, judged: Mapping[tuple[str, str], bool], kept: Callable[[str], str]
) -> dict[str, Any]:
    """A verdict as it is kept; what only a judge decides is as the judge said, where there was one."""
    by_judge = judged.get((verdict.codex, verdict.clause))
    why = verdict.why if by_judge is None else "" if by_judge else "the judge said otherwise"
    return {
        "codex": verdict.codex,
        "clause": verdict.clause,
        "text": verdict.text,
        "severity": verdict.severity,
        "holds": verdict.holds if by_judge is None else by_judge,
        "why": kept(why),
        "span": list(verdict.span) if verdict.span is not None else None,
        "excerpt": kept(verdict.excerpt),
    }
