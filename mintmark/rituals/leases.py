"""Leases on errands: one worker has a run or a comparison, for as long as it says now and then that it is alive."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Sum, Value
from django.db.models.functions import Coalesce

from mintmark.registry.models import Assistant

from .models import Comparison, Errand, Piece, RitualRun

_LOOKED_AT = 20
_State = Errand.State


def take[E: (RitualRun, Comparison)](
    kind: type[E], *, holder: str, now: datetime, only: int | None = None
) -> E | None:
    """The oldest errand of a kind that waits, or whose worker fell silent, now held by `holder`; None where there is
    none.

    One errand of an assistant goes at a time. Pieces whose reply the worker before never saw wait again.
    """
    free = _free(kind, now)
    if only is not None:
        free = free.filter(pk=only)
    for pk in list(free.order_by("id").values_list("id", flat=True)[:_LOOKED_AT]):
        taken = _taken(kind, pk, holder=holder, now=now)
        if taken is not None:
            return taken
    return None


def keep(errand: Errand, *, holder: str, now: datetime) -> bool:
    """Say that the holder is alive; False if the errand is no longer his: it was cancelled, or another took it."""
    return bool(held(errand, holder=holder).update(lease_until=_until(now)))


def held(errand: Errand, *, holder: str) -> "QuerySet[Any]":
    """The errand, while it is the holder's."""
    rows: QuerySet[Any] = type(errand)._default_manager.filter(
        pk=errand.pk, state=_State.RUNNING, lease_holder=holder
    )
    return rows


def end(errand: Errand, *, holder: str, state: Errand.State, reason: str, now: datetime) -> bool:
    """Give an errand back in its new state; False if it was no longer the holder's."""
    with transaction.atomic():
        is_over = state != _State.QUEUED
        given = held(errand, holder=holder).update(
            state=state,
            reason=reason[:400],
            lease_holder="",
            lease_until=None,
            ended_at=now if is_over else None,
        )
        if given:
            put_back(errand)
    return bool(given)


def cancel(errand: Errand, *, by: str, now: datetime) -> bool:
    """End an errand at once, whoever holds it: no further call begins. False if it has ended before."""
    with transaction.atomic():
        under_way = type(errand)._default_manager.filter(
            pk=errand.pk, state__in=(_State.QUEUED, _State.RUNNING)
        )
        cancelled = under_way.update(
            state=_State.CANCELLED,
            reason=f"cancelled by {by}"[:400],
            lease_holder="",
            lease_until=None,
            ended_at=now,
        )
        if cancelled:
            put_back(errand)
    return bool(cancelled)


def queue_again(errand: Errand, *, cost_cap_micro: int | None) -> bool:
    """Let an errand that stopped short wait for a worker, and with it the pieces that failed; False if it has not."""
    with transaction.atomic():
        stopped = type(errand)._default_manager.filter(
            pk=errand.pk, state__in=(_State.INCOMPLETE, _State.CANCELLED)
        )
        queued = stopped.update(
            state=_State.QUEUED, reason="", ended_at=None, cost_cap_micro=cost_cap_micro
        )
        if queued:
            errand.pieces.filter(state=Piece.State.FAILED).update(
                state=Piece.State.WAITING, error="", error_says="", finished_at=None
            )
    return bool(queued)


def put_back(errand: Errand) -> None:
    """Let the pieces whose reply never came wait again; what they may have cost counts as lost."""
    calling = errand.pieces.filter(state=Piece.State.CALLING)
    lost = calling.aggregate(micro=Sum("reserved_micro"))["micro"] or 0
    if calling.update(state=Piece.State.WAITING, reserved_micro=0):
        rows = type(errand)._default_manager.filter(pk=errand.pk)
        rows.update(lost_micro=F("lost_micro") + lost)


def _taken[E: (RitualRun, Comparison)](
    kind: type[E], pk: int, *, holder: str, now: datetime
) -> E | None:
    try:
        with transaction.atomic():
            # Who takes another errand of this assistant waits here, and then sees this one.
            mine = kind.objects.filter(pk=pk).values("assistant")
            list(Assistant.objects.select_for_update(no_key=True).filter(pk__in=mine))
            taken = (
                _free(kind, now)
                .filter(pk=pk)
                .update(
                    state=_State.RUNNING,
                    lease_holder=holder,
                    lease_until=_until(now),
                    started_at=Coalesce("started_at", Value(now)),
                )
            )
            if not taken:
                return None
            errand = kind.objects.select_related("assistant__team", "ritual").get(pk=pk)
            put_back(errand)
    except IntegrityError:  # another errand of this assistant was taken at the same moment
        return None
    return errand


def _free[E: (RitualRun, Comparison)](kind: type[E], now: datetime) -> "QuerySet[E]":
    busy = Q()
    for others in (RitualRun, Comparison):
        running = others._default_manager.filter(
            assistant=OuterRef("assistant"), state=_State.RUNNING
        )
        busy |= Q(Exists(running))
    waits = Q(state=_State.QUEUED) & ~busy
    silent = Q(state=_State.RUNNING, lease_until__lt=now)
    return kind.objects.filter(waits | silent)


def _until(now: datetime) -> datetime:
    return now + timedelta(seconds=settings.RUN_LEASE_SECONDS)
