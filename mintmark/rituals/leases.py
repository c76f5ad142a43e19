"""Leases on runs: one worker has a run, for as long as it says now and then that it is alive."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Coalesce

from . import runs
from .models import RitualRun

_LOOKED_AT = 20


def take(*, holder: str, now: datetime, only: int | None = None) -> RitualRun | None:
    """The oldest run that waits, or whose worker fell silent, now held by `holder`; None where there is none.

    One run of an assistant goes at a time. Cases whose reply the worker before never saw wait again.
    """
    free = _free(now)
    if only is not None:
        free = free.filter(pk=only)
    for run_id in list(free.order_by("id").values_list("id", flat=True)[:_LOOKED_AT]):
        if _taken(run_id, holder=holder, now=now):
            return RitualRun.objects.select_related(
                "prompt", "assistant__team", "ritual", "started_by__user"
            ).get(pk=run_id)
    return None


def keep(*, run: RitualRun, holder: str, now: datetime) -> bool:
    """Say that the holder is alive; False if the run is no longer his: it was cancelled, or another took it."""
    return bool(_held(run, holder).update(lease_until=_until(now)))


def end(*, run: RitualRun, holder: str, state: RitualRun.State, reason: str, now: datetime) -> bool:
    """Give a run back in its new state; False if it was no longer the holder's."""
    with transaction.atomic():
        is_over = state != RitualRun.State.QUEUED
        given = _held(run, holder).update(
            state=state,
            reason=reason[:400],
            lease_holder="",
            lease_until=None,
            ended_at=now if is_over else None,
        )
        if given:
            runs.put_back(run_id=run.pk)
    return bool(given)


def _taken(run_id: int, *, holder: str, now: datetime) -> bool:
    try:
        with transaction.atomic():
            taken = (
                _free(now)
                .filter(pk=run_id)
                .update(
                    state=RitualRun.State.RUNNING,
                    lease_holder=holder,
                    lease_until=_until(now),
                    started_at=Coalesce("started_at", Value(now)),
                )
            )
            if taken:
                runs.put_back(run_id=run_id)
    except IntegrityError:  # another run of this assistant was taken at the same moment
        return False
    return bool(taken)


def _free(now: datetime) -> "QuerySet[RitualRun]":
    others = RitualRun.objects.filter(
        assistant=OuterRef("assistant"), state=RitualRun.State.RUNNING
    )
    waits = Q(state=RitualRun.State.QUEUED) & ~Exists(others)
    silent = Q(state=RitualRun.State.RUNNING, lease_until__lt=now)
    return RitualRun.objects.filter(waits | silent)


def _held(run: RitualRun, holder: str) -> "QuerySet[RitualRun]":
    return RitualRun.objects.filter(pk=run.pk, state=RitualRun.State.RUNNING, lease_holder=holder)


def _until(now: datetime) -> datetime:
    return now + timedelta(seconds=settings.RUN_LEASE_SECONDS)
