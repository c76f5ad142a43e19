"""The worker's part of a run: take it, ask, judge, write each result the moment it is there, give it back."""

import random
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet

from mintmark.core import errors

from . import asking, evidence, grading, jobs, leases, redaction, runs
from .budgets import Budget
from .jobs import Answer, CaseFailed, Job
from .models import CaseRun, RitualRun
from .runners import CallFailed
from .switchboard import Switchboard

type Clock = Callable[[], datetime]
type Watch = Callable[[RitualRun], None]

MOST_FAILURES_IN_A_ROW = 10
"""Cases that fail one after the other before a run is stopped: the endpoint is down."""

_BEATS_A_LEASE = 4
_WAIT_SECONDS = 0.1
_GRACE = timedelta(seconds=3)


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
    run = leases.take(holder=holder, now=clock(), only=only)
    if run is None:
        return None
    try:
        job = jobs.prepared(run)
    except errors.Refusal as refused:
        _give_back(run, holder, RitualRun.State.INCOMPLETE, refused.message, clock)
        return run
    with Switchboard() as board:
        try:
            _Work(
                job=job, board=board, holder=holder, clock=clock, rng=rng, stop=stop, watch=watch
            ).go_on()
        finally:
            board.run(job.close())
    return run


@dataclass(slots=True, kw_only=True)
class _Work:
    """One worker at one run. It writes as the holder of the lease, and once another has that it writes nothing."""

    job: Job
    board: Switchboard
    holder: str
    clock: Clock
    rng: random.Random
    stop: threading.Event
    watch: Watch
    calling: "dict[Future[Answer], CaseRun]" = field(default_factory=dict)
    budget: Budget = field(init=False)
    failures_in_a_row: int = 0
    why_stop: str = ""
    next_beat: datetime | None = None
    stop_by: datetime | None = None

    def go_on(self) -> None:
        """Until every case has its result, or something stands in the way."""
        run = self.job.run
        run.refresh_from_db()
        self.budget = Budget(
            cap_micro=run.cost_cap_micro, spent_micro=run.spent_micro + run.lost_micro
        )
        self._enter_closed_frames()
        waiting = list(
            run.case_runs.filter(state=CaseRun.State.WAITING).order_by("frame", "number")
        )
        waiting.reverse()
        while True:
            if not self._is_mine():
                return  # what is under way is broken off with the switchboard
            while waiting and self._may_begin() and self._begin(waiting[-1]):
                waiting.pop()
            if not self.calling:
                break
            self._take_in(
                wait(self.calling, timeout=_WAIT_SECONDS, return_when=FIRST_COMPLETED).done
            )
            if self.stop_by is not None and self.clock() >= self.stop_by:
                break
        self._end(is_over=not waiting and not self.calling)

    def _is_mine(self) -> bool:
        """Whether the run is still this worker's; says now and then that it is alive."""
        now = self.clock()
        if self.stop.is_set() and self.stop_by is None:
            self.stop_by = now + _GRACE
        if self.next_beat is not None and now < self.next_beat:
            # A cancelled run is known at once, without writing.
            return RitualRun.objects.filter(
                pk=self.job.run.pk, state=RitualRun.State.RUNNING, lease_holder=self.holder
            ).exists()
        self.next_beat = now + timedelta(seconds=settings.RUN_LEASE_SECONDS / _BEATS_A_LEASE)
        if self.why_stop == "":
            try:
                runs.require_served(prompt=self.job.prompt, assistant=self.job.run.assistant)
            except errors.Refusal as refused:
                self.why_stop = refused.message
        return leases.keep(run=self.job.run, holder=self.holder, now=now)

    def _may_begin(self) -> bool:
        return (
            not self.why_stop
            and self.stop_by is None
            and len(self.calling) < self.job.line.setup.at_once
        )

    def _begin(self, row: CaseRun) -> bool:
        """Ask for a case, unless it might not fit under the cap beside what is under way; whether it was asked."""
        ask = self.job.ask(row)
        most = self.job.most_micro(row, ask)
        if not self.budget.hold(row.pk, most):
            if not self.calling:
                cap = (self.job.run.cost_cap_micro or 0) / 1e6
                self.why_stop = (
                    f"the cost cap of {cap:g} {self.job.run.currency} leaves no room for another case "
                    f"({self.budget.spent_micro / 1e6:g} spent)"
                )
            return False
        begun = self._mine(row, CaseRun.State.WAITING).update(
            state=CaseRun.State.CALLING, reserved_micro=most, asked=asking.digest(ask)
        )
        if not begun:
            return True  # it is no longer this worker's: the next look at the lease ends this
        row.reserved_micro = most
        answer = self.job.answer(row, ask, budget=self.budget, rng=self.rng)
        self.calling[self.board.submit(answer)] = row
        return True

    def _take_in(self, done: "set[Future[Answer]]") -> None:
        frames = set()
        for future in done:
            row = self.calling.pop(future)
            try:
                answer = _result_of(future, most_micro=row.reserved_micro)
                if self._answered(row, answer):
                    frames.add(row.frame)
            except CaseFailed as failed:
                self._failed(row, failed)
            self.watch(self.job.run)
        if frames:
            self._enter_closed_frames(frames)

    def _answered(self, row: CaseRun, answer: Answer) -> bool:
        """Write a result; whether it was this worker's to write."""
        try:
            graded = grading.graded(
                case=self.job.case(row),
                answer=answer,
                bound=self.job.bound,
                memory=self.job.memory,
                variables=self.job.prompt.variables,
                secrets=self.job.secrets,
            )
        except Exception as mistake:
            # A mistake of ours: the case fails and says so, and is not paid for again and again.
            raise CaseFailed(
                CallFailed("not_judged", f"its output could not be judged ({_named(mistake)})"),
                attempts=answer.attempts,
                cost_micro=answer.cost_micro,
            ) from None
        reply = answer.reply
        keeps = settings.OUTPUT_DAYS > 0
        self.failures_in_a_row = 0
        return self._write(
            row,
            cost_micro=answer.cost_micro,
            attempts=answer.attempts,
            state=CaseRun.State.DONE,
            score=graded.grade.score,
            passed=graded.grade.passed,
            output=redaction.kept(reply.text, secrets=self.job.secrets) if keeps else "",
            assertions=graded.assertions,
            clauses=graded.clauses,
            recall=graded.recall,
            tokens_in=reply.tokens_in or 0,
            tokens_out=reply.tokens_out or 0,
            latency_ms=reply.latency_ms,
            error="",
            error_says="",
        )

    def _failed(self, row: CaseRun, failed: CaseFailed) -> None:
        last = failed.last
        self._write(
            row,
            cost_micro=failed.cost_micro,
            attempts=failed.attempts,
            state=CaseRun.State.FAILED,
            error=last.code[:40],
            error_says=last.says[:200],
        )
        self.failures_in_a_row += 1
        if last.is_fatal:
            self.why_stop = last.says
        elif self.failures_in_a_row >= MOST_FAILURES_IN_A_ROW:
            self.why_stop = (
                f"{self.failures_in_a_row} cases in a row failed, the last since {last.says}"
            )

    def _write(self, row: CaseRun, *, cost_micro: int, attempts: int, **values: object) -> bool:
        """A case's end and what it cost, in one transaction."""
        self.budget.settle(row.pk, spent_micro=cost_micro)
        with transaction.atomic():
            written = self._mine(row, CaseRun.State.CALLING).update(
                **values,
                cost_micro=F("cost_micro") + cost_micro,
                attempts=F("attempts") + attempts,
                reserved_micro=0,
                finished_at=self.clock(),
            )
            if written:
                RitualRun.objects.filter(pk=self.job.run.pk).update(
                    spent_micro=F("spent_micro") + cost_micro, calls=F("calls") + attempts
                )
        return bool(written)

    def _mine(self, row: CaseRun, state: CaseRun.State) -> "QuerySet[CaseRun]":
        return CaseRun.objects.filter(
            pk=row.pk,
            state=state,
            run__state=RitualRun.State.RUNNING,
            run__lease_holder=self.holder,
        )

    def _enter_closed_frames(self, numbers: set[int] | None = None) -> None:
        """Record the frames that are closed and not yet in the log: all of them, or of these."""
        due = self.job.run.frames.filter(recorded="")
        if numbers is not None:
            due = due.filter(number__in=numbers)
        for frame in due.order_by("number"):
            evidence.enter(run=self.job.run, frame=frame, now=self.clock())

    def _end(self, *, is_over: bool) -> None:
        run = self.job.run
        if self.stop_by is not None and not is_over:
            _give_back(run, self.holder, RitualRun.State.QUEUED, "", self.clock)
            return
        failed = run.case_runs.filter(state=CaseRun.State.FAILED).order_by("number")
        many, first = failed.count(), failed.first()
        if self.why_stop or not is_over or first is not None:
            why = self.why_stop or (
                f"{many} cases failed, the first since {first.error_says}" if first else "stopped"
            )
            _give_back(run, self.holder, RitualRun.State.INCOMPLETE, why, self.clock)
        else:
            _give_back(run, self.holder, RitualRun.State.DONE, "", self.clock)


def _result_of(future: "Future[Answer]", *, most_micro: int) -> Answer:
    """What a call gave; whatever goes wrong there fails the case alone."""
    try:
        return future.result()
    except CaseFailed:
        raise
    except Exception as mistake:
        raise CaseFailed(
            CallFailed("not_asked", f"asking for it broke off ({_named(mistake)})"),
            attempts=1,
            cost_micro=most_micro,
        ) from None


def _named(mistake: Exception) -> str:
    """The name of a mistake: what it says may quote a text, an output or a key."""
    return type(mistake).__name__


def _give_back(
    run: RitualRun, holder: str, state: RitualRun.State, reason: str, clock: Clock
) -> None:
    leases.end(run=run, holder=holder, state=state, reason=reason, now=clock())
