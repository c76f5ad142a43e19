"""The worker's part of a comparison: take it, draw pairs, run both halves, count the pairs in their order, decide."""

import dataclasses
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from mintmark.common import errors
from mintmark.experiments import decision, sequential_test
from mintmark.experiments.decision import Decision
from mintmark.experiments.sequential_test import ComparisonState

from . import case_execution, comparisons, grading, job_runner, leases, runs
from .case_execution import CaseAnswer, CaseExecutor
from .definitions import Case
from .job_runner import Clock, PreparedCall
from .loop_thread import LoopThread
from .models import Comparison, ComparisonCall

type ComparisonProgressCallback = Callable[[Comparison], None]


def process_next_comparison(
    *,
    worker_id: str,
    clock: Clock,
    rng: random.Random,
    stop: threading.Event,
    job_id: int | None = None,
    on_progress: ComparisonProgressCallback = lambda comparison: None,
) -> Comparison | None:
    """Take a waiting comparison (the one with `job_id`, if given) and work on it until it is decided, has run all its
    pairs, is stopped, or `stop` is set.

    Returns the comparison, or None if none waits. `on_progress` is called after each result.
    """
    comparison = leases.acquire(Comparison, worker_id=worker_id, now=clock(), job_id=job_id)
    if comparison is None:
        return None
    try:
        runs.require_served(prompt=comparison.first, assistant=comparison.assistant)
        executor = case_execution.prepare_executor(
            comparison,
            prompt=comparison.first,
            assistant=comparison.assistant,
            ritual=comparison.ritual,
            codex_ids=[],
        )
    except errors.DomainError as error:
        leases.release(
            comparison,
            worker_id=worker_id,
            state=Comparison.State.INCOMPLETE,
            reason=error.message,
            now=clock(),
        )
        return comparison
    with LoopThread() as loop_thread:
        try:
            _ComparisonJob(
                job=comparison, loop_thread=loop_thread, worker_id=worker_id, clock=clock, rng=rng, stop=stop,
                on_progress=on_progress, at_once=executor.endpoint.settings.at_once,
                # Both prompts use one endpoint, so they share one rate limit.
                sides=(executor, dataclasses.replace(executor, prompt=comparison.second)),
                cases=comparisons.list_weighted_cases(executor.definition),
            ).run()  # fmt: skip
        finally:
            loop_thread.run(executor.close())
    return comparison


@dataclass(slots=True, kw_only=True)
class _ComparisonJob(job_runner.JobRunner[Comparison, ComparisonCall]):
    """One worker's work on one comparison."""

    sides: tuple[CaseExecutor, CaseExecutor]
    cases: Sequence[Case]
    state: ComparisonState = field(init=False)

    def select_next_items(self) -> Sequence[ComparisonCall]:
        waiting_rows = self.job.pair_runs.filter(state=ComparisonCall.State.WAITING)
        waiting_items = list(waiting_rows.order_by("pair", "side"))
        if (
            waiting_items
            or self.job.decision != Decision.OPEN
            or int(self.state.pairs[0]) >= self.job.most_pairs
        ):
            return waiting_items
        if self.job.pair_runs.filter(state=ComparisonCall.State.FAILED).exists():
            return []  # a failed pair is run again before any later pair counts
        return comparisons.draw_pairs(self.job, state=self.state)

    def prepare_call(self, item: ComparisonCall) -> PreparedCall:
        executor, case = self.sides[item.side], self.cases[item.number]
        frame = comparisons.build_frame(self.job, pair=item.pair, definition=executor.definition)
        return PreparedCall(
            executor=executor, case=case, request=executor.build_request(case, frame)
        )

    def build_result_fields(self, item: ComparisonCall, answer: CaseAnswer) -> dict[str, Any]:
        executor = self.sides[item.side]
        grading_result = grading.grade_answer(
            case=self.cases[item.number],
            answer=answer,
            pinned_codices=[],
            memory=executor.memory,
            prompt=executor.prompt,
            secrets=executor.secrets,
        )
        return {"score": grading_result.grade.score}

    def require_served(self) -> None:
        for executor in self.sides:
            runs.require_served(prompt=executor.prompt, assistant=self.job.assistant)

    def on_results(self, items: Sequence[ComparisonCall]) -> None:
        """Count the complete pairs in their order, and store the new state."""
        if not items:
            self.state = sequential_test.deserialize(bytes(self.job.packed))
        pairs = comparisons.list_completed_pairs(self.job, after=int(self.state.pairs[0]))
        if not pairs:
            return
        self.state = comparisons.update_state(self.state, pairs)
        result = decision.evaluate(self.state, alpha=self.job.alpha, margin=self.job.margin)
        self.job.decision = result.decision
        with transaction.atomic():
            is_stored = leases.select_owned(self.job, worker_id=self.worker_id).update(
                packed=sequential_test.serialize(self.state),
                counted=result.pairs,
                decision=result.decision,
            )
            if is_stored:
                self.job.looks.create(
                    pairs=result.pairs, mean=result.mean, low=result.low, high=result.high
                )
