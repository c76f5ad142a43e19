"""The worker's part of a run: take it, run and grade each case, record finished frames as evidence, release it."""

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from mintmark.common import errors
from mintmark.experiments.perturbations import FrameContext

from . import (
    case_execution,
    dreamframes,
    evidence_claims,
    grading,
    job_runner,
    leases,
    redaction,
    runs,
)
from .case_execution import CaseAnswer, CaseExecutor
from .evidence_claims import OnRecorded
from .job_runner import Clock, PreparedCall
from .loop_thread import LoopThread
from .models import CaseRun, RitualRun

type RunProgressCallback = Callable[[RitualRun], None]


def process_next_run(
    *,
    worker_id: str,
    clock: Clock,
    rng: random.Random,
    stop: threading.Event,
    on_recorded: OnRecorded,
    job_id: int | None = None,
    on_progress: RunProgressCallback = lambda run: None,
) -> RitualRun | None:
    """Take a run that waits (the one with `job_id`, if it is given) and work on it until it ends, is cancelled, or
    `stop` is set. Returns it, or None where no run waits. `on_progress` is called after each result, `on_recorded` with
    each batch of evidence that the run has recorded."""
    run = leases.acquire(RitualRun, worker_id=worker_id, now=clock(), job_id=job_id)
    if run is None:
        return None
    try:
        executor = prepare_run_executor(run)
    except errors.DomainError as error:
        leases.release(
            run,
            worker_id=worker_id,
            state=RitualRun.State.INCOMPLETE,
            reason=error.message,
            now=clock(),
        )
        return run
    with LoopThread() as loop_thread:
        try:
            _RunJob(
                job=run, executor=executor, frames=dreamframes.load_frames(run=run), loop_thread=loop_thread,
                worker_id=worker_id, clock=clock, rng=rng, stop=stop, on_progress=on_progress,
                on_recorded=on_recorded,
                at_once=executor.endpoint.settings.at_once,
            ).run()  # fmt: skip
        finally:
            loop_thread.run(executor.close())
    return run


def prepare_run_executor(run: RitualRun) -> CaseExecutor:
    """The executor of a run's calls. Raises an error that says why the run can't continue."""
    runs.require_served(prompt=run.prompt, assistant=run.assistant)
    return case_execution.prepare_executor(
        run,
        prompt=run.prompt,
        assistant=run.assistant,
        ritual=run.ritual,
        codex_ids=run.codex_ids,
    )


@dataclass(slots=True, kw_only=True)
class _RunJob(job_runner.JobRunner[RitualRun, CaseRun]):
    """One worker's work on one run."""

    executor: CaseExecutor
    frames: Mapping[int, FrameContext]
    on_recorded: OnRecorded

    def select_next_items(self) -> Sequence[CaseRun]:
        waiting = self.job.case_runs.filter(state=CaseRun.State.WAITING)
        return list(waiting.order_by("frame", "number"))

    def prepare_call(self, item: CaseRun) -> PreparedCall:
        case = self.executor.definition.cases[item.number]
        return PreparedCall(
            executor=self.executor,
            case=case,
            request=self.executor.build_request(case, self.frames[item.frame]),
        )

    def build_result_fields(self, item: CaseRun, answer: CaseAnswer) -> dict[str, Any]:
        grading_result = grading.grade_answer(
            case=self.executor.definition.cases[item.number],
            answer=answer,
            pinned_codices=self.executor.pinned_codices,
            memory=self.executor.memory,
            prompt=self.executor.prompt,
            secrets=self.executor.secrets,
        )
        reply = answer.response
        output = redaction.redact(
            reply.text, secrets=self.executor.secrets, prompt=self.executor.prompt.text
        )
        return {
            "score": grading_result.grade.score,
            "passed": grading_result.grade.passed,
            "output": output if settings.OUTPUT_DAYS > 0 else "",
            "assertions": grading_result.assertions,
            "clauses": grading_result.clauses,
            "recall": grading_result.recall,
            "tokens_in": reply.tokens_in or 0,
            "tokens_out": reply.tokens_out or 0,
            "latency_ms": reply.latency_ms,
        }

    def require_served(self) -> None:
        runs.require_served(prompt=self.executor.prompt, assistant=self.job.assistant)

    def on_results(self, items: Sequence[CaseRun]) -> None:
        """Record the finished frames that are not yet in the log: those of these calls or, without items, all of
        them."""
        closed = self.job.frames.filter(recorded="")
        if items:
            closed = closed.filter(number__in={item.frame for item in items})
        for frame in closed.order_by("number"):
            evidence_claims.record_frame(
                run=self.job, frame=frame, on_recorded=self.on_recorded, now=self.clock()
            )
