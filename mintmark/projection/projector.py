"""The projector: the only writer of projections. It folds the next settled part of the log, and stores its position."""

import time
from datetime import datetime

from django.db import connection, transaction

from mintmark.common import errors
from mintmark.evidence import log
from mintmark.projection import policies, published_scores, state_store

from . import published_pairs
from .pair_models import ProjectionCheckpoint
from .projection_pass import ProjectionPass

SLICE_SIZE = 5_000
# Any constant number: the holder of this advisory lock is the only projector.
_LOCK = 0x4D494E54


class ProjectionPending(errors.DomainError):
    """The projections did not include an event in time."""

    code = "projection_pending"


def project_pending(*, now: datetime, at_most: int | None = None) -> int:
    """Project the settled events that are not yet projected, slice by slice, each in a transaction (or the caller's).

    Returns how many events were projected; 0 if there are none, or if another projector is active.
    """
    folded = 0
    while at_most is None or folded < at_most:
        with transaction.atomic():
            if not _try_lock():
                return folded
            slice_count = _project_slice(now=now)
        folded += slice_count
        if slice_count < SLICE_SIZE:  # no more events
            return folded
    return folded


def get_checkpoint() -> ProjectionCheckpoint:
    """The position of the projections; created, with the default policy, when first needed."""
    checkpoint = ProjectionCheckpoint.objects.select_related("policy").filter(pk=1).first()
    if checkpoint is None:
        checkpoint, _ = ProjectionCheckpoint.objects.get_or_create(
            pk=1, defaults={"policy": policies.get_current()}
        )
    return checkpoint


def includes_event(event: int) -> bool:
    """Whether the projections include this event."""
    row = ProjectionCheckpoint.objects.filter(pk=1).values_list("xid", "event").first()
    if row is None:
        return False
    xid = log.get_xid(event)
    return (xid, event) <= (row[0], row[1])


def wait_for(event: int, *, seconds: float, now: datetime) -> None:
    """Return once the projections include `event`, projecting if nobody else does. Raises `ProjectionPending` after
    `seconds`."""
    deadline = time.monotonic() + seconds
    while not includes_event(event):
        project_pending(now=now)
        if includes_event(event):
            return
        if time.monotonic() > deadline:
            raise ProjectionPending(
                f"Event {event} is recorded, and was not projected within {seconds:g} s: an older transaction is still "
                "running, or a calibration is. Read again later; nothing is lost."
            )
        time.sleep(0.02)


def acquire_lock() -> None:
    """Wait until no other projector is active, and hold the lock to the end of the transaction."""
    if connection.vendor == "postgresql":
        with connection.cursor() as db_cursor:
            db_cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def _try_lock() -> bool:
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as db_cursor:
        db_cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        return bool(db_cursor.fetchone()[0])


def _project_slice(*, now: datetime) -> int:
    checkpoint = get_checkpoint()
    log_slice = log.read_slice(
        after=log.LogPosition(xid=checkpoint.xid, event=checkpoint.event), at_most=SLICE_SIZE
    )
    if log_slice is None:
        log.check_cluster()
        return 0
    projection_pass = ProjectionPass(policy=checkpoint.policy, stored=True)
    slice_result = projection_pass.process_slice(log_slice)
    state_store.save(projection_pass.fold.serialize_changed())
    published_scores.publish(slice_result.reputation, now=now)
    published_pairs.publish(slice_result.pairs, now=now)
    ProjectionCheckpoint.objects.filter(pk=1).update(
        xid=log_slice.end.xid,
        event=log_slice.end.event,
        folded=checkpoint.folded + len(log_slice),
        folded_at=now,
    )
    return len(log_slice)
