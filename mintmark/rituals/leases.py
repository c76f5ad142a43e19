"""Leases on jobs: one worker owns a run or a comparison as long as it renews its lease."""

from datetime import datetime, timedelta
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Sum, Value
from django.db.models.functions import Coalesce

from mintmark.registry.models import Assistant

from .models import JobItem, MeasurementJob

_MAX_CANDIDATES = 20
_State = MeasurementJob.State


def acquire[E: MeasurementJob](
    job_class: type[E], *, worker_id: str, now: datetime, job_id: int | None = None
) -> E | None:
    """Acquire the oldest job of this class that waits, or whose lease expired, for `worker_id`. Returns None if there
    is none.

    An assistant runs one job at a time. Calls whose reply never arrived wait again.
    """
    available = _select_available(job_class, now)
    if job_id is not None:
        available = available.filter(pk=job_id)
    for pk in list(available.order_by("id").values_list("id", flat=True)[:_MAX_CANDIDATES]):
        job = _acquire_job(job_class, pk, worker_id=worker_id, now=now)
        if job is not None:
            return job
    return None


def renew(job: MeasurementJob, *, worker_id: str, now: datetime) -> bool:
    """Renew the lease.

    Returns False if the job no longer belongs to the worker: it was cancelled, or another took it.
    """
    return bool(select_owned(job, worker_id=worker_id).update(lease_until=_compute_lease_end(now)))


def select_owned(job: MeasurementJob, *, worker_id: str) -> "QuerySet[Any]":
    """The job, as a queryset that is empty unless the worker holds it."""
    rows: QuerySet[Any] = type(job)._default_manager.filter(
        pk=job.pk, state=_State.RUNNING, lease_holder=worker_id
    )
    return rows


def release(
    job: MeasurementJob, *, worker_id: str, state: MeasurementJob.State, reason: str, now: datetime
) -> bool:
    """Release a job in its new state. Returns False if it no longer belonged to the worker."""
    with transaction.atomic():
        is_over = state != _State.QUEUED
        is_released = select_owned(job, worker_id=worker_id).update(
            state=state,
            reason=reason[:400],
            lease_holder="",
            lease_until=None,
            ended_at=now if is_over else None,
        )
        if is_released:
            requeue_calls(job)
    return bool(is_released)


def cancel(job: MeasurementJob, *, cancelled_by: str, now: datetime) -> bool:
    """End a job at once, whoever holds it: no further call starts. Returns False if it had already ended."""
    with transaction.atomic():
        under_way = type(job)._default_manager.filter(
            pk=job.pk, state__in=(_State.QUEUED, _State.RUNNING)
        )
        is_cancelled = under_way.update(
            state=_State.CANCELLED,
            reason=f"cancelled by {cancelled_by}"[:400],
            lease_holder="",
            lease_until=None,
            ended_at=now,
        )
        if is_cancelled:
            requeue_calls(job)
    return bool(is_cancelled)


def requeue(job: MeasurementJob, *, cost_cap_micro: int | None) -> bool:
    """Queue a job that stopped early again, together with its failed calls.

    Returns False if it had not stopped early.
    """
    with transaction.atomic():
        stopped = type(job)._default_manager.filter(
            pk=job.pk, state__in=(_State.INCOMPLETE, _State.CANCELLED)
        )
        is_queued = stopped.update(
            state=_State.QUEUED, reason="", ended_at=None, cost_cap_micro=cost_cap_micro
        )
        if is_queued:
            job.items.filter(state=JobItem.State.FAILED).update(
                state=JobItem.State.WAITING, error="", error_says="", finished_at=None
            )
    return bool(is_queued)


def requeue_calls(job: MeasurementJob) -> None:
    """Queue the calls again whose reply never arrived; what they may have cost counts as lost."""
    interrupted = job.items.filter(state=JobItem.State.CALLING)
    lost_micro = interrupted.aggregate(micro=Sum("reserved_micro"))["micro"] or 0
    if interrupted.update(state=JobItem.State.WAITING, reserved_micro=0):
        rows = type(job)._default_manager.filter(pk=job.pk)
        rows.update(lost_micro=F("lost_micro") + lost_micro)


def _acquire_job[E: MeasurementJob](
    job_class: type[E], pk: int, *, worker_id: str, now: datetime
) -> E | None:
    try:
        with transaction.atomic():
            # A worker that takes another job of this assistant waits here, and then sees this one.
            assistant_of_job = job_class._default_manager.filter(pk=pk).values("assistant")
            list(Assistant.objects.select_for_update(no_key=True).filter(pk__in=assistant_of_job))
            is_acquired = (
                _select_available(job_class, now)
                .filter(pk=pk)
                .update(
                    state=_State.RUNNING,
                    lease_holder=worker_id,
                    lease_until=_compute_lease_end(now),
                    started_at=Coalesce("started_at", Value(now)),
                )
            )
            if not is_acquired:
                return None
            job: E = job_class._default_manager.select_related("assistant__team", "ritual").get(
                pk=pk
            )
            requeue_calls(job)
    except IntegrityError:  # another job of this assistant was taken at the same time
        return None
    return job


def _select_available[E: MeasurementJob](job_class: type[E], now: datetime) -> "QuerySet[E]":
    busy = Q()
    for other_class in _list_job_classes():
        jobs: QuerySet[Any] = other_class._default_manager.all()
        running = jobs.filter(assistant=OuterRef("assistant"), state=_State.RUNNING)
        busy |= Q(Exists(running))
    is_waiting = Q(state=_State.QUEUED) & ~busy
    is_expired = Q(state=_State.RUNNING, lease_until__lt=now)
    rows: QuerySet[E] = job_class._default_manager.filter(is_waiting | is_expired)
    return rows


def _list_job_classes() -> list[type[MeasurementJob]]:
    """Every kind of job: an assistant is called by one at a time."""
    return [model for model in apps.get_models() if issubclass(model, MeasurementJob)]


def _compute_lease_end(now: datetime) -> datetime:
    return now + timedelta(seconds=settings.RUN_LEASE_SECONDS)
