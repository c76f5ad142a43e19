"""The outbox: takes events at once, keeps them on disk, has them delivered; one for each client."""

import atexit
import threading
import time
import weakref
from pathlib import Path

from . import forks, spool
from .delivery import Delivery
from .spool import Spool
from .tally import Counts, Tally
from .wire import Address, Wire

__all__ = ["Counts", "Outbox"]

_DROPPED_EVERY = 1_000
_open: "weakref.WeakSet[Outbox]" = weakref.WeakSet()


class Outbox:
    """`put` costs one write to a file and waits for nobody. What the last run of a program left is delivered first."""

    def __init__(
        self,
        *,
        address: Address,
        root: Path | None,
        most_bytes: int,
        timeout_seconds: float,
        exit_seconds: float,
    ) -> None:
        self._address = address
        self._timeout_seconds = timeout_seconds
        self._exit_seconds = exit_seconds
        self._tally = Tally()
        self._spool = Spool(
            root=root or spool.default_root(), address=address, most_bytes=most_bytes
        )
        self._is_closed = False
        self._lock = threading.Lock()
        self._delivery = self._new_delivery()
        _open.add(self)
        forks.watch(self)
        if self._spool.take_over():
            self._delivery.wake()

    def put(self, line: bytes) -> bool:
        """Take an event; False where there is no room. Never raises."""
        try:
            if not self._spool.put(line):
                self._note_dropped("the spool is full, and the server has been away for long.")
                return False
            self._tally.reported()
            if not self._is_closed:
                self._delivery.wake()
        except Exception as mistake:  # the caller's program goes on, whatever happens here
            self._note_dropped(f"{type(mistake).__name__}: {mistake}")
            return False
        return True

    def note_unfit(self, why: str) -> None:
        """Count a report that can't be right, and say why."""
        self._tally.unfit(why)

    def counts(self) -> Counts:
        return self._tally.counts(waiting=self._spool.waiting)

    def flush(self, *, seconds: float) -> bool:
        """Wait until everything is delivered, at most so long; False if something waits still."""
        return self._delivery.flush(seconds=seconds)

    def close(self) -> None:
        """Deliver what waits if that goes at once, and let go of the rest: the next program that starts has it."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
        _open.discard(self)
        deadline = time.monotonic() + self._exit_seconds
        if self._spool.waiting:
            self._delivery.flush(seconds=self._exit_seconds, attempts=1)
        self._delivery.stop(seconds=max(0.0, deadline - time.monotonic()))
        if lost := self._spool.in_memory:
            self._tally.set_aside(lost, "they could not be written to disk, and the program ended")
        self._spool.close()

    def after_fork(self) -> None:
        """In a child that was forked: begin anew, for thread, locks, files and connections are the parent's."""
        self._lock = threading.Lock()
        self._tally = Tally()
        self._spool.abandon()
        self._delivery = self._new_delivery()

    def _new_delivery(self) -> Delivery:
        return Delivery(
            wire=lambda: Wire(address=self._address, timeout_seconds=self._timeout_seconds),
            spool=self._spool,
            tally=self._tally,
        )

    def _note_dropped(self, why: str) -> None:
        self._tally.dropped(why)
        dropped = self._tally.counts(waiting=0).dropped
        if dropped % _DROPPED_EVERY == 1:
            self._spool.note_loss(what="dropped", why=why, count=dropped)


def _close_all() -> None:
    for outbox in list(_open):
        outbox.close()


atexit.register(_close_all)
