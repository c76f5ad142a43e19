"""The projector: the only writer of projections. It folds the next settled part of the log, and remembers how far."""

import time
from datetime import datetime

from django.db import connection, transaction

from mintmark.core import errors
from mintmark.evidence import log
from mintmark.reputation import policies, standings, state

from . import maps
from .models import Cursor
from .run import Run

SLICE = 5_000
# Any constant number: whoever holds this advisory lock is the one projector.
_LOCK = 0x4D494E54


class NotFolded(errors.Refusal):
    """The projections did not reach an event in time."""

    code = "not_folded"


def advance(*, now: datetime, at_most: int | None = None) -> int:
    """Fold what is settled and not yet folded, slice by slice, each in a transaction of its own (or the caller's).

    Returns how many events were folded; 0 when there is nothing, or another projector is at work.
    """
    folded = 0
    while at_most is None or folded < at_most:
        with transaction.atomic():
            if not _try_lock():
                return folded
            done = _advance_slice(now=now)
        folded += done
        if done < SLICE:  # that was all
            return folded
    return folded


def cursor() -> Cursor:
    """How far the log is folded; made, with the default policy, the first time it is asked for."""
    found = Cursor.objects.select_related("policy").filter(pk=1).first()
    if found is None:
        found, _ = Cursor.objects.get_or_create(pk=1, defaults={"policy": policies.in_force()})
    return found


def reached(event: int) -> bool:
    """Whether the projections include this event."""
    row = Cursor.objects.filter(pk=1).values_list("xid", "event").first()
    if row is None:
        return False
    xid = log.xid_of(event)
    return (xid, event) <= (row[0], row[1])


def wait_for(event: int, *, seconds: float, now: datetime) -> None:
    """Return once the projections include `event`, folding if nobody else does; `NotFolded` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not reached(event):
        advance(now=now)
        if reached(event):
            return
        if time.monotonic() > deadline:
            raise NotFolded(
                f"Event {event} is recorded, and was not folded within {seconds:g} s: an older transaction is still "
                "running, or a calibration is. Read again later; nothing is lost."
            )
        time.sleep(0.02)


def lock() -> None:
    """Wait until no other projector is at work, and hold the lock to the end of the transaction."""
    if connection.vendor == "postgresql":
        with connection.cursor() as database:
            database.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def _try_lock() -> bool:
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as database:
        database.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        return bool(database.fetchone()[0])


def _advance_slice(*, now: datetime) -> int:
    at = cursor()
    part = log.read(after=log.Position(xid=at.xid, event=at.event), at_most=SLICE)
    if part is None:
        log.check_clock()
        return 0
    run = Run(policy=at.policy, stored=True)
    step = run.step(part)
    state.save(run.fold.packed())
    standings.publish(step.reputation, now=now)
    maps.publish(step.trust_map, now=now)
    Cursor.objects.filter(pk=1).update(
        xid=part.end.xid, event=part.end.event, folded=at.folded + len(part), folded_at=now
    )
    return len(part)
