"""The worker's part of a run: take it, ask for each case, judge, enter what is measured into the log, give it back."""

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from mintmark.core import errors
from mintmark.core.perturbations import Frame

from . import errands, evidence, frames, grading, jobs, leases, redaction, runs
from .errands import Call, Clock
from .jobs import Answer, Job
from .models import CaseRun, RitualRun
from .switchboard import Switchboard

type Watch = Callable[[RitualRun], None]


def work(
    *,
    holder: str,
    clock: Clock,
    rng: random.Random,
    stop: threading.Event,
    only: int | None = None,
    watch: Watch = lambda run: None,
) -> RitualRun | None:
    """Take a run that waits (`only` this one, if it is given) and work on it until it ends, is cancelled, or `stop` is
    set. Returns it, or None where no run waits. `watch` is called after each result."""
    run = leases.take(RitualRun, holder=holder, now=clock(), only=only)
    if run is None:
        return None
    try:
        job = prepared(run)
    except errors.Refusal as refused:
        leases.end(
            run,
            holder=holder,
            state=RitualRun.State.INCOMPLETE,
            reason=refused.message,
            now=clock(),
        )
        return run
    with Switchboard() as board:
        try:
            _Run(
                errand=run, job=job, frames=frames.contexts(run=run), board=board, holder=holder, clock=clock,
                rng=rng, stop=stop, watch=watch, at_once=job.line.setup.at_once,
            ).go_on()  # fmt: skip
        finally:
            board.run(job.close())
    return run


def prepared(run: RitualRun) -> Job:
    """A run's calls made ready, or the refusal that says why it can't go on."""
    return jobs.prepared(
        run,
        prompt=run.prompt,
        assistant=run.assistant,
        ritual=run.ritual,
        codex_ids=run.codex_ids,
    )


@dataclass(slots=True, kw_only=True)
class _Run(errands.Work[RitualRun, CaseRun]):
    """One worker at one run."""

    job: Job
    frames: Mapping[int, Frame]

    def due(self) -> Sequence[CaseRun]:
        waiting = self.errand.case_runs.filter(state=CaseRun.State.WAITING)
        return list(waiting.order_by("frame", "number"))

    def call(self, piece: CaseRun) -> Call:
        case = self.job.definition.cases[piece.number]
        return Call(job=self.job, case=case, ask=self.job.ask(case, self.frames[piece.frame]))

    def judged(self, piece: CaseRun, answer: Answer) -> dict[str, Any]:
        graded = grading.graded(
            case=self.job.definition.cases[piece.number],
            answer=answer,
            bound=self.job.bound,
            memory=self.job.memory,
            prompt=self.job.prompt,
            secrets=self.job.secrets,
        )
        reply = answer.reply
        output = redaction.kept(reply.text, secrets=self.job.secrets, prompt=self.job.prompt.text)
        return {
            "score": graded.grade.score,
            "passed": graded.grade.passed,
            "output": output if settings.OUTPUT_DAYS > 0 else "",
            "assertions": graded.assertions,
            "clauses": graded.clauses,
            "recall": graded.recall,
            "tokens_in": reply.tokens_in or 0,
            "tokens_out": reply.tokens_out or 0,
            "latency_ms": reply.latency_ms,
        }

    def require_served(self) -> None:
        runs.require_served(prompt=self.job.prompt, assistant=self.errand.assistant)

    def taken_in(self, pieces: Sequence[CaseRun]) -> None:
        """Record the frames that are closed and not yet in the log: those of these pieces, or all of them."""
        closed = self.errand.frames.filter(recorded="")
        if pieces:
            closed = closed.filter(number__in={piece.frame for piece in pieces})
        for frame in closed.order_by("number"):
            evidence.enter(run=self.errand, frame=frame, now=self.clock())
