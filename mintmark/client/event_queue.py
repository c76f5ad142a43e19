"""The outbox: takes events at once, keeps them on disk, has them delivered; one for each client."""

import atexit
import threading
import time
import weakref
from pathlib import Path

from . import at_fork, spool
from .counters import Counters, Counts
from .delivery import DeliveryThread
from .spool import Spool
from .transport import ServerAddress, Transport

__all__ = ["Counts", "EventQueue"]

_DROPPED_EVERY = 1_000
_open_queues: "weakref.WeakSet[EventQueue]" = weakref.WeakSet()


class EventQueue:
    """`put` costs one write to a file and waits for nobody. What the last run of a program left is delivered first."""

    def __init__(
        self,
        *,
        address: ServerAddress,
        root: Path | None,
        max_bytes: int,
        timeout_seconds: float,
        exit_seconds: float,
    ) -> None:
        self._address = address
        self._timeout_seconds = timeout_seconds
        self._exit_seconds = exit_seconds
        self._counters = Counters()
        self._spool = Spool(
            root=root or spool.get_default_root(), address=address, max_bytes=max_bytes
        )
        self._is_closed = False
        self._lock = threading.Lock()
        self._delivery = self._create_delivery()
        _open_queues.add(self)
        at_fork.register_at_fork(self)
        if self._spool.take_over():
            self._delivery.wake()

    def enqueue(self, event_line: bytes) -> bool:
        """Take an event; False where there is no room. Never raises."""
        try:
            if not self._spool.append(event_line):
                self._record_dropped("the spool is full, and the server has been away for long.")
                return False
            self._counters.record_reported()
            if not self._is_closed:
                self._delivery.wake()
        except Exception as mistake:  # the caller's program goes on, whatever happens here
            self._record_dropped(f"{type(mistake).__name__}: {mistake}")
            return False
        return True

    def record_unfit(self, reason: str) -> None:
        """Count a report that can't be right, and say why."""
        self._counters.record_unfit(reason)

    def get_counts(self) -> Counts:
        return self._counters.get_counts(waiting=self._spool.waiting)

    def flush(self, *, seconds: float) -> bool:
        """Wait until everything is delivered, at most so long; False if something waits still."""
        return self._delivery.flush(seconds=seconds)

    def close(self) -> None:
        """Deliver what waits if that goes at once, and let go of the rest: the next program that starts has it."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
        _open_queues.discard(self)
        deadline = time.monotonic() + self._exit_seconds
        if self._spool.waiting:
            self._delivery.flush(seconds=self._exit_seconds, attempts=1)
        self._delivery.stop(seconds=max(0.0, deadline - time.monotonic()))
        if lost := self._spool.in_memory:
            self._counters.record_set_aside(
                lost, "they could not be written to disk, and the program ended"
            )
        self._spool.close()

    def after_fork(self) -> None:
        """In a child that was forked: begin anew, for thread, locks, files and connections are the parent's."""
        self._lock = threading.Lock()
        self._counters = Counters()
        self._spool.abandon()
        self._delivery = self._create_delivery()

    def _create_delivery(self) -> DeliveryThread:
        return DeliveryThread(
            make_transport=lambda: Transport(
                address=self._address, timeout_seconds=self._timeout_seconds
            ),
            spool=self._spool,
            counters=self._counters,
        )

    def _record_dropped(self, reason: str) -> None:
        self._counters.record_dropped(reason)
        dropped = self._counters.get_counts(waiting=0).dropped
        if dropped % _DROPPED_EVERY == 1:
            self._spool.record_loss(kind="dropped", reason=reason, count=dropped)


def _close_all() -> None:
    for queue in list(_open_queues):
        queue.close()


atexit.register(_close_all)
