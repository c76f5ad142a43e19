"""The worker's part of a comparison: take it, draw pairs, ask for both halves, count them in their order, decide."""

import dataclasses
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from mintmark.core import errors, sequential, verdicts
from mintmark.core.sequential import State
from mintmark.core.verdicts import Decision

from . import comparisons, errands, grading, jobs, leases, runs
from .definitions import Case
from .errands import Call, Clock
from .jobs import Answer, Job
from .models import Comparison, PairRun
from .switchboard import Switchboard

type Watch = Callable[[Comparison], None]


def work(
    *,
    holder: str,
    clock: Clock,
    rng: random.Random,
    stop: threading.Event,
    only: int | None = None,
    watch: Watch = lambda comparison: None,
) -> Comparison | None:
    """Take a comparison that waits (`only` this one, if it is given) and work on it until it is decided, is out of
    pairs, is stopped, or `stop` is set. Returns it, or None where none waits. `watch` is called after each result."""
    comparison = leases.take(Comparison, holder=holder, now=clock(), only=only)
    if comparison is None:
        return None
    try:
        job = jobs.prepared(
            comparison,
            prompt=comparison.first,
            assistant=comparison.assistant,
            ritual=comparison.ritual,
            codex_ids=[],
        )
    except errors.Refusal as refused:
        leases.end(
            comparison,
            holder=holder,
            state=Comparison.State.INCOMPLETE,
            reason=refused.message,
            now=clock(),
        )
        return comparison
    with Switchboard() as board:
        try:
            _Match(
                errand=comparison, board=board, holder=holder, clock=clock, rng=rng, stop=stop, watch=watch,
                at_once=job.line.setup.at_once,
                # One endpoint, one pace: they differ in the prompt alone.
                sides=(job, dataclasses.replace(job, prompt=comparison.second)),
                cases=comparisons.weighing(job.definition),
            ).go_on()  # fmt: skip
        finally:
            board.run(job.close())
    return comparison


@dataclass(slots=True, kw_only=True)
class _Match(errands.Work[Comparison, PairRun]):
    """One worker at one comparison."""

    sides: tuple[Job, Job]
    cases: Sequence[Case]
    state: State = field(init=False)

    def due(self) -> Sequence[PairRun]:
        waiting = self.errand.pair_runs.filter(state=PairRun.State.WAITING)
        left = list(waiting.order_by("pair", "side"))
        if (
            left
            or self.errand.decision != Decision.OPEN
            or int(self.state.pairs[0]) >= self.errand.most_pairs
        ):
            return left
        if self.errand.pair_runs.filter(state=PairRun.State.FAILED).exists():
            return []  # a pair that failed is run again before any other counts
        return comparisons.draw(self.errand, state=self.state)

    def call(self, piece: PairRun) -> Call:
        job, case = self.sides[piece.side], self.cases[piece.number]
        frame = comparisons.context(self.errand, pair=piece.pair, definition=job.definition)
        return Call(job=job, case=case, ask=job.ask(case, frame))

    def judged(self, piece: PairRun, answer: Answer) -> dict[str, Any]:
        job = self.sides[piece.side]
        graded = grading.graded(
            case=self.cases[piece.number],
            answer=answer,
            bound=[],
            memory=job.memory,
            prompt=job.prompt,
            secrets=job.secrets,
        )
        return {"score": graded.grade.score}

    def require_served(self) -> None:
        for job in self.sides:
            runs.require_served(prompt=job.prompt, assistant=self.errand.assistant)

    def taken_in(self, pieces: Sequence[PairRun]) -> None:
        """Count the pairs that are whole, in their order, and keep what they come to."""
        if not pieces:
            self.state = sequential.unpacked(bytes(self.errand.packed))
        pairs = comparisons.finished(self.errand, after=int(self.state.pairs[0]))
        if not pairs:
            return
        self.state = comparisons.fold(self.state, pairs)
        said = verdicts.verdict(self.state, alpha=self.errand.alpha, margin=self.errand.margin)
        self.errand.decision = said.decision
        with transaction.atomic():
            kept = leases.held(self.errand, holder=self.holder).update(
                packed=sequential.packed(self.state), counted=said.pairs, decision=said.decision
            )
            if kept:
                self.errand.looks.create(
                    pairs=said.pairs, mean=said.mean, low=said.low, high=said.high
                )
