"""A worker at one errand: ask, write each result the moment it is there, keep the lease, stop where something stands in
the way. What an errand asks, and what it makes of answers, is for `execution` (runs) and `matching` (comparisons)."""

import random
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet

from mintmark.core import errors
from mintmark.database import locks

from . import asking, leases
from .budgets import Budget
from .definitions import Case
from .jobs import Answer, CaseFailed, Job
from .models import Errand, Piece
from .runners import Ask, CallFailed
from .switchboard import Switchboard

type Clock = Callable[[], datetime]

MOST_FAILURES_IN_A_ROW = 10
"""Pieces that fail one after the other before an errand is stopped: the endpoint is down."""

_BEATS_A_LEASE = 4
_WAIT_SECONDS = 0.1
_GRACE = timedelta(seconds=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What is to be asked for a piece."""

    job: Job
    case: Case
    ask: Ask


@dataclass(slots=True, kw_only=True)
class Work[E: Errand, P: Piece](ABC):
    """One worker at one errand. It writes as the holder of the lease, and once another has that it writes nothing."""

    errand: E
    board: Switchboard
    holder: str
    clock: Clock
    rng: random.Random
    stop: threading.Event
    watch: Callable[[E], None]
    at_once: int
    calling: "dict[Future[Answer], P]" = field(default_factory=dict)
    budget: Budget = field(init=False)
    failures_in_a_row: int = 0
    why_stop: str = ""
    next_beat: datetime | None = None
    stop_by: datetime | None = None

    @abstractmethod
    def due(self) -> Sequence[P]:
        """The pieces to ask for next, in their order, when none is left to ask for or under way; none: it is over."""

    @abstractmethod
    def call(self, piece: P) -> Call:
        """What is to be asked for a piece."""

    @abstractmethod
    def judged(self, piece: P, answer: Answer) -> dict[str, Any]:
        """What is to be kept of an answer."""

    @abstractmethod
    def require_served(self) -> None:
        """Refuse once what is asked may be asked no more."""

    @abstractmethod
    def taken_in(self, pieces: Sequence[P]) -> None:
        """These have their results; none of them: it begins."""

    def go_on(self) -> None:
        """Until nothing is due, or something stands in the way."""
        errand = self.errand
        errand.refresh_from_db()
        self.budget = Budget(
            cap_micro=errand.cost_cap_micro, spent_micro=errand.spent_micro + errand.lost_micro
        )
        self.taken_in([])
        waiting: list[P] = []
        is_over = False
        while True:
            if not self._is_mine():
                return  # what is under way is broken off with the switchboard
            if not waiting and not self.calling and not self.why_stop:
                waiting = list(reversed(self.due()))
                is_over = not waiting
            while waiting and self._may_begin() and self._begin(waiting[-1]):
                waiting.pop()
            if not self.calling:
                break
            self._take_in(
                wait(self.calling, timeout=_WAIT_SECONDS, return_when=FIRST_COMPLETED).done
            )
            if self.stop_by is not None and self.clock() >= self.stop_by:
                break
        self._end(is_over=is_over)

    def give_back(self, state: Errand.State, reason: str) -> None:
        """Hand the errand back in a state."""
        leases.end(self.errand, holder=self.holder, state=state, reason=reason, now=self.clock())

    def mine(self, piece: P, state: Piece.State) -> "QuerySet[Any]":
        """A piece that is in this state, while the errand is this worker's."""
        held = leases.held(self.errand, holder=self.holder)
        found = self.errand.pieces.filter(pk=piece.pk, state=state)
        parent = "run" if hasattr(piece, "run_id") else "comparison"
        return found.filter(**{f"{parent}__in": held})

    def _is_mine(self) -> bool:
        """Whether the errand is still this worker's; says now and then that it is alive."""
        now = self.clock()
        if self.stop.is_set() and self.stop_by is None:
            self.stop_by = now + _GRACE
        if self.next_beat is not None and now < self.next_beat:
            # A cancelled errand is known at once, without writing.
            return leases.held(self.errand, holder=self.holder).exists()
        self.next_beat = now + timedelta(seconds=settings.RUN_LEASE_SECONDS / _BEATS_A_LEASE)
        if self.why_stop == "":
            try:
                self.require_served()
            except errors.Refusal as refused:
                self.why_stop = refused.message
        return leases.keep(self.errand, holder=self.holder, now=now)

    def _may_begin(self) -> bool:
        return not self.why_stop and self.stop_by is None and len(self.calling) < self.at_once

    def _begin(self, piece: P) -> bool:
        """Ask for a piece, unless it might not fit under the cap beside what is under way; whether it was asked."""
        call = self.call(piece)
        most = call.job.most_micro(call.case, call.ask)
        if not self.budget.hold(piece.pk, most):
            if not self.calling:
                cap = (self.errand.cost_cap_micro or 0) / 1e6
                self.why_stop = (
                    f"the cost cap of {cap:g} {self.errand.currency} leaves no room for another case "
                    f"({self.budget.spent_micro / 1e6:g} spent)"
                )
            return False
        with transaction.atomic():
            # Whoever cancels the errand puts back what is under way: nothing begins after.
            locks.share(type(self.errand), [self.errand.pk])
            begun = self.mine(piece, Piece.State.WAITING).update(
                state=Piece.State.CALLING, reserved_micro=most, asked=asking.digest(call.ask)
            )
        if not begun:
            return True  # it is no longer this worker's: the next look at the lease ends this
        piece.reserved_micro = most
        answer = call.job.answer(
            call.case, call.ask, held_as=piece.pk, budget=self.budget, rng=self.rng
        )
        self.calling[self.board.submit(answer)] = piece
        return True

    def _take_in(self, done: "set[Future[Answer]]") -> None:
        finished = []
        for future in done:
            piece = self.calling.pop(future)
            try:
                answer = _result_of(future, most_micro=piece.reserved_micro)
                if self._answered(piece, answer):
                    finished.append(piece)
            except CaseFailed as failed:
                self._failed(piece, failed)
            self.watch(self.errand)
        if finished:
            self.taken_in(finished)

    def _answered(self, piece: P, answer: Answer) -> bool:
        """Write a result; whether it was this worker's to write."""
        try:
            values = self.judged(piece, answer)
        except Exception as mistake:
            # A mistake of ours: the piece fails and says so, and is not paid for again and again.
            raise CaseFailed(
                CallFailed("not_judged", f"its output could not be judged ({_named(mistake)})"),
                attempts=answer.attempts,
                cost_micro=answer.cost_micro,
            ) from None
        self.failures_in_a_row = 0
        return self._write(
            piece,
            cost_micro=answer.cost_micro,
            attempts=answer.attempts,
            state=Piece.State.DONE,
            error="",
            error_says="",
            **values,
        )

    def _failed(self, piece: P, failed: CaseFailed) -> None:
        last = failed.last
        self._write(
            piece,
            cost_micro=failed.cost_micro,
            attempts=failed.attempts,
            state=Piece.State.FAILED,
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

    def _write(self, piece: P, *, cost_micro: int, attempts: int, **values: object) -> bool:
        """A piece's end and what it cost, in one transaction."""
        self.budget.settle(piece.pk, spent_micro=cost_micro)
        with transaction.atomic():
            written = self.mine(piece, Piece.State.CALLING).update(
                **values,
                cost_micro=F("cost_micro") + cost_micro,
                attempts=F("attempts") + attempts,
                reserved_micro=0,
                finished_at=self.clock(),
            )
            if written:
                rows = type(self.errand)._default_manager.filter(pk=self.errand.pk)
                rows.update(spent_micro=F("spent_micro") + cost_micro, calls=F("calls") + attempts)
        return bool(written)

    def _end(self, *, is_over: bool) -> None:
        if self.stop_by is not None and not is_over:
            self.give_back(Errand.State.QUEUED, "")
            return
        failed = self.errand.pieces.filter(state=Piece.State.FAILED).order_by("id")
        many, first = failed.count(), failed.first()
        if self.why_stop or not is_over or first is not None:
            why = self.why_stop or (
                f"{many} cases failed, the first since {first.error_says}" if first else "stopped"
            )
            self.give_back(Errand.State.INCOMPLETE, why)
        else:
            self.give_back(Errand.State.DONE, "")


def _result_of(future: "Future[Answer]", *, most_micro: int) -> Answer:
    """What a call gave; whatever goes wrong there fails the piece alone."""
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
