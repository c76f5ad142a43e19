"""One worker's work on one job: make calls, store each result as soon as it arrives, renew the lease, stop on a
problem. Which calls a job makes, and what it does with results, is defined in `run_worker` and `comparison_worker`."""

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

from mintmark.common import errors
from mintmark.storage import locks

from . import leases, prompt_building
from .case_execution import CaseAnswer, CaseExecutor, CaseFailed
from .cost_budget import CostBudget
from .definitions import Case
from .loop_thread import LoopThread
from .models import JobItem, MeasurementJob
from .runners import CallFailed, ModelRequest

type Clock = Callable[[], datetime]

MAX_CONSECUTIVE_FAILURES = 10
"""How many calls in a row may fail before a job is stopped: the endpoint is taken to be down."""

_HEARTBEATS_PER_LEASE = 4
_WAIT_SECONDS = 0.1
_STOP_GRACE = timedelta(seconds=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedCall:
    """The request for one call, with the executor that makes it."""

    executor: CaseExecutor
    case: Case
    request: ModelRequest


@dataclass(slots=True, kw_only=True)
class JobRunner[E: MeasurementJob, P: JobItem](ABC):
    """One worker's work on one job. It writes only while it holds the lease, and writes nothing after another worker
    took it."""

    job: E
    loop_thread: LoopThread
    worker_id: str
    clock: Clock
    rng: random.Random
    stop: threading.Event
    on_progress: Callable[[E], None]
    at_once: int
    in_flight: "dict[Future[CaseAnswer], P]" = field(default_factory=dict)
    budget: CostBudget = field(init=False)
    consecutive_failures: int = 0
    stop_reason: str = ""
    next_heartbeat: datetime | None = None
    stop_deadline: datetime | None = None

    @abstractmethod
    def select_next_items(self) -> Sequence[P]:
        """The calls to make next, in their order, once none is left to start or in progress. Empty: the job is
        finished."""

    @abstractmethod
    def prepare_call(self, item: P) -> PreparedCall:
        """The request for a call."""

    @abstractmethod
    def build_result_fields(self, item: P, answer: CaseAnswer) -> dict[str, Any]:
        """The fields to store from an answer."""

    @abstractmethod
    def require_served(self) -> None:
        """Raise an error if the prompt may no longer be used."""

    @abstractmethod
    def on_results(self, items: Sequence[P]) -> None:
        """Called when these calls have their results, and with no items at the start."""

    def run(self) -> None:
        """Work until nothing is left to do, or until a problem stops the job."""
        job = self.job
        job.refresh_from_db()
        self.budget = CostBudget(
            cap_micro=job.cost_cap_micro, spent_micro=job.spent_micro + job.lost_micro
        )
        self.on_results([])
        waiting: list[P] = []
        is_over = False
        while True:
            if not self._check_lease():
                return  # closing the loop thread cancels the calls in progress
            if not waiting and not self.in_flight and not self.stop_reason:
                waiting = list(reversed(self.select_next_items()))
                is_over = not waiting
            while waiting and self._may_start() and self._start_call(waiting[-1]):
                waiting.pop()
            if not self.in_flight:
                break
            self._collect_results(
                wait(self.in_flight, timeout=_WAIT_SECONDS, return_when=FIRST_COMPLETED).done
            )
            if self.stop_deadline is not None and self.clock() >= self.stop_deadline:
                break
        self._finish(is_over=is_over)

    def release(self, state: MeasurementJob.State, reason: str) -> None:
        """Release the job, in the given state."""
        leases.release(
            self.job, worker_id=self.worker_id, state=state, reason=reason, now=self.clock()
        )

    def select_owned(self, item: P, state: JobItem.State) -> "QuerySet[Any]":
        """The call, if it is in this state and the job still belongs to this worker."""
        owned_jobs = leases.select_owned(self.job, worker_id=self.worker_id)
        matching_items = self.job.items.filter(pk=item.pk, state=state)
        return matching_items.filter(**{f"{self.job.PARENT_FIELD}__in": owned_jobs})

    def _check_lease(self) -> bool:
        """Whether the job still belongs to this worker. Renews the lease from time to time."""
        now = self.clock()
        if self.stop.is_set() and self.stop_deadline is None:
            self.stop_deadline = now + _STOP_GRACE
        if self.next_heartbeat is not None and now < self.next_heartbeat:
            # A read is enough to notice a cancelled job.
            return leases.select_owned(self.job, worker_id=self.worker_id).exists()
        self.next_heartbeat = now + timedelta(
            seconds=settings.RUN_LEASE_SECONDS / _HEARTBEATS_PER_LEASE
        )
        if self.stop_reason == "":
            try:
                self.require_served()
            except errors.DomainError as error:
                self.stop_reason = error.message
        return leases.renew(self.job, worker_id=self.worker_id, now=now)

    def _may_start(self) -> bool:
        return (
            not self.stop_reason
            and self.stop_deadline is None
            and len(self.in_flight) < self.at_once
        )

    def _start_call(self, item: P) -> bool:
        """Start a call, unless it might exceed the cost cap together with the calls in progress. Returns whether it was
        started."""
        prepared = self.prepare_call(item)
        max_cost_micro = prepared.executor.compute_max_cost_micro(prepared.case, prepared.request)
        if not self.budget.reserve(item.pk, max_cost_micro):
            if not self.in_flight:
                cap = (self.job.cost_cap_micro or 0) / 1e6
                self.stop_reason = (
                    f"the cost cap of {cap:g} {self.job.currency} leaves no room for another case "
                    f"({self.budget.spent_micro / 1e6:g} spent)"
                )
            return False
        with transaction.atomic():
            # A cancellation resets the calls in progress, so no call may start after it.
            locks.share(type(self.job), [self.job.pk])
            is_started = self.select_owned(item, JobItem.State.WAITING).update(
                state=JobItem.State.CALLING,
                reserved_micro=max_cost_micro,
                asked=prompt_building.compute_request_digest(prepared.request),
            )
        if not is_started:
            return True  # the job belongs to another worker now; the next check of the lease ends this one
        item.reserved_micro = max_cost_micro
        answer = prepared.executor.execute(
            prepared.case,
            prepared.request,
            reservation_id=item.pk,
            budget=self.budget,
            rng=self.rng,
        )
        self.in_flight[self.loop_thread.submit(answer)] = item
        return True

    def _collect_results(self, completed_futures: "set[Future[CaseAnswer]]") -> None:
        finished_items = []
        for future in completed_futures:
            item = self.in_flight.pop(future)
            try:
                answer = _get_result(future, most_micro=item.reserved_micro)
                if self._record_answer(item, answer):
                    finished_items.append(item)
            except CaseFailed as error:
                self._record_failure(item, error)
            self.on_progress(self.job)
        if finished_items:
            self.on_results(finished_items)

    def _record_answer(self, item: P, answer: CaseAnswer) -> bool:
        """Store a result. Returns whether this worker was still allowed to."""
        try:
            values = self.build_result_fields(item, answer)
        except Exception as error:
            # A bug of ours: the call fails and says so. It is not retried, as each retry would cost money.
            raise CaseFailed(
                CallFailed(
                    "not_judged", f"its output could not be judged ({_get_error_name(error)})"
                ),
                attempts=answer.attempts,
                cost_micro=answer.cost_micro,
            ) from None
        self.consecutive_failures = 0
        return self._write_result(
            item,
            cost_micro=answer.cost_micro,
            attempts=answer.attempts,
            state=JobItem.State.DONE,
            error="",
            error_says="",
            **values,
        )

    def _record_failure(self, item: P, failure: CaseFailed) -> None:
        last = failure.last
        self._write_result(
            item,
            cost_micro=failure.cost_micro,
            attempts=failure.attempts,
            state=JobItem.State.FAILED,
            error=last.code[:40],
            error_says=last.message[:200],
        )
        self.consecutive_failures += 1
        if last.is_fatal:
            self.stop_reason = last.message
        elif self.consecutive_failures >= MAX_CONSECUTIVE_FAILURES:
            self.stop_reason = (
                f"{self.consecutive_failures} cases in a row failed, the last since {last.message}"
            )

    def _write_result(self, item: P, *, cost_micro: int, attempts: int, **values: object) -> bool:
        """Store the end of a call and its cost, in one transaction."""
        self.budget.commit(item.pk, spent_micro=cost_micro)
        with transaction.atomic():
            is_written = self.select_owned(item, JobItem.State.CALLING).update(
                **values,
                cost_micro=F("cost_micro") + cost_micro,
                attempts=F("attempts") + attempts,
                reserved_micro=0,
                finished_at=self.clock(),
            )
            if is_written:
                rows = type(self.job)._default_manager.filter(pk=self.job.pk)
                rows.update(spent_micro=F("spent_micro") + cost_micro, calls=F("calls") + attempts)
        return bool(is_written)

    def _finish(self, *, is_over: bool) -> None:
        if self.stop_deadline is not None and not is_over:
            self.release(MeasurementJob.State.QUEUED, "")
            return
        failed_items = self.job.items.filter(state=JobItem.State.FAILED).order_by("id")
        failure_count, first = failed_items.count(), failed_items.first()
        if self.stop_reason or not is_over or first is not None:
            reason = self.stop_reason or (
                f"{failure_count} cases failed, the first since {first.error_says}"
                if first
                else "stopped"
            )
            self.release(MeasurementJob.State.INCOMPLETE, reason)
        else:
            self.release(MeasurementJob.State.DONE, "")


def _get_result(future: "Future[CaseAnswer]", *, most_micro: int) -> CaseAnswer:
    """The result of a call. Any unexpected error there fails this call alone."""
    try:
        return future.result()
    except CaseFailed:
        raise
    except Exception as error:
        raise CaseFailed(
            CallFailed("not_asked", f"asking for it broke off ({_get_error_name(error)})"),
            attempts=1,
            cost_micro=most_micro,
        ) from None


def _get_error_name(error: Exception) -> str:
    """The class name of an error. Its message is left out: it may quote a text, an output or a key."""
    return type(error).__name__
