"""Delivery: takes what waits in the spool to the server, in a thread of its own, until each event is acknowledged."""

import json
import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from . import wire
from .spool import Spool
from .tally import Tally
from .wire import Request, Wire

BATCH = 200
LINGER_SECONDS = 0.5
"""How long the first event of a batch waits for others."""
LOOK_SECONDS = 30.0
"""How often an idle process looks for what others have left."""
_FIRST_PAUSE_SECONDS, _MOST_PAUSE_SECONDS = 0.5, 60.0
_MOST_ASKED_SECONDS = 300.0

type Event = dict[str, Any]


class Delivery:
    """A thread that begins with the first event and ends with `stop`.

    Events go in batches, all or nothing, each with the key that it got when it was reported: what is not acknowledged
    is sent again, and the server counts what it knows as repeated. What it refuses is set aside, row by row.
    """

    def __init__(self, *, wire: Callable[[], Wire], spool: Spool, tally: Tally) -> None:
        self._make_wire = wire
        self._spool = spool
        self._tally = tally
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_stopping = False
        self._is_hurried = False
        self._is_idle = True
        self._is_told_to_wait = False
        self._failed = 0
        self._holder: str | None = None

    def wake(self) -> None:
        """Say that something waits. Costs next to nothing while the thread is at work."""
        if self._thread is not None and not self._is_idle:
            return
        with self._changed:
            if self._thread is None and not self._is_stopping:
                self._thread = threading.Thread(
                    target=self._run, name="mintmark-delivery", daemon=True
                )
                try:
                    self._thread.start()
                except RuntimeError:  # the interpreter is ending: it waits on disk
                    self._thread = None
                    return
            if self._is_idle:
                self._changed.notify_all()

    def flush(self, *, seconds: float, attempts: int | None = None) -> bool:
        """Wait until nothing waits, at most so long or until so many attempts have failed. True if nothing waits."""
        deadline = time.monotonic() + seconds
        self.wake()
        with self._changed:
            self._is_hurried = True
            self._changed.notify_all()
            failed_before = self._failed
            while self._spool.waiting and self._thread is not None:
                left = deadline - time.monotonic()
                gave_up = attempts is not None and (
                    self._is_told_to_wait or self._failed - failed_before >= attempts
                )
                if left <= 0 or gave_up:
                    break
                self._changed.wait(min(left, 0.5))
            self._is_hurried = False
        return self._spool.waiting == 0

    def stop(self, *, seconds: float) -> None:
        """End the thread; what waits stays in the spool."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(seconds)

    def _run(self) -> None:
        sender = self._make_wire()
        pause, failures = 0.0, 0
        try:
            while self._goes_on(pause):
                try:
                    is_more = self._step(sender)
                except wire.MintmarkError as away:
                    failures += 1
                    pause = _pause(away, failures)
                    self._tally.failed(str(away))
                    with self._changed:
                        self._is_told_to_wait = _asked_seconds(away) > 0
                        self._failed += 1
                        self._changed.notify_all()
                except Exception as mistake:  # a mistake of ours must not end delivery
                    failures += 1
                    pause = _MOST_PAUSE_SECONDS
                    self._tally.failed(f"{type(mistake).__name__}: {mistake}")
                else:
                    failures, pause, self._is_told_to_wait = 0, 0.0, False
                    if not is_more:
                        self._rest()
        finally:
            sender.close()

    def _goes_on(self, pause: float) -> bool:
        """Wait out a pause, which a flush cuts short unless the server asked for it; False once this is to stop."""
        deadline = time.monotonic() + pause
        with self._changed:
            while not self._is_stopping:
                left = deadline - time.monotonic()
                if left <= 0:
                    return True
                self._changed.wait(left)
                if self._is_hurried and not self._is_told_to_wait:
                    self._is_hurried = False
                    return True
            return False

    def _rest(self) -> None:
        """Wait for something to do, and then a little for more of it."""
        with self._changed:
            self._is_idle = True
            self._changed.notify_all()
            if not self._is_stopping and not self._spool.waiting:
                self._changed.wait(LOOK_SECONDS)
            self._is_idle = False
            deadline = time.monotonic() + LINGER_SECONDS
            while (
                not self._is_stopping and not self._is_hurried and 0 < self._spool.waiting < BATCH
            ):
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)

    def _step(self, sender: Wire) -> bool:
        """Deliver one batch, and say whether more waits. Raises where it must be tried again later."""
        if self._holder is None:
            self._holder = self._introduced(sender)
            self._spool.note_holder(self._holder)
        batch = self._spool.batch(BATCH)
        if batch is None:
            self._spool.take_over(holder=self._holder)
            batch = self._spool.batch(BATCH)
        if batch is None:
            return False
        events = []
        for line in batch.lines:
            event = _event(line)
            if event is None:
                self._set_aside([line], "It can't be read any more.")
            else:
                events.append(event)
        self._deliver(sender, events)
        self._spool.settle(batch)
        with self._changed:
            self._changed.notify_all()
        return self._spool.waiting > 0

    def _introduced(self, sender: Wire) -> str:
        """Who the server says that we are; "" where the key may not ask. A key that may not record evidence delivers
        nothing: everything waits until it may."""
        try:
            me = sender.send(Request(path="/me")).body
        except wire.Refused as refusal:
            if refusal.status != 403:
                raise
            return ""
        scopes = me.get("scopes")
        if not isinstance(scopes, list):
            raise wire.Unavailable("What answered there is no Mintmark.")
        if not {"evidence", "admin"} & set(map(str, scopes)):
            raise wire.Unavailable("The key lacks the scope 'evidence'; what is reported waits.")
        return f"{me.get('kind')} {me.get('id')} {me.get('name')}"

    def _deliver(self, sender: Wire, events: Sequence[Event]) -> None:
        """Bring events to a settled end, each: recorded, known before, or set aside. Raises where that must wait."""
        if not events:
            return
        body = json.dumps({"events": events}, separators=(",", ":")).encode()
        try:
            receipt = sender.send(Request(path="/evidence", body=body)).body
        except wire.Refused as refusal:
            self._sort_out(sender, events, refusal)
            return
        recorded, repeated = receipt.get("recorded"), receipt.get("repeated")
        if not isinstance(recorded, int) or not isinstance(repeated, int):
            raise wire.Unavailable("What answered there is no Mintmark.")
        if recorded + repeated != len(events):
            raise wire.Unavailable("The server acknowledged another number of events than it got.")
        self._tally.delivered(recorded=recorded, repeated=repeated)

    def _sort_out(self, sender: Wire, events: Sequence[Event], refusal: wire.Refused) -> None:
        """Go on without what a refusal names; where it names no row, look for it in halves."""
        if refusal.status not in (400, 403, 409, 413, 415, 422):
            raise refusal
        named = _rows(refusal, events)
        if named:
            rest = [event for n, event in enumerate(events) if n not in named]
            for n, (field, why) in named.items():
                event = events[n]
                if refusal.code == "key_reused":
                    # Nobody else makes its key: it was recorded, and then dated anew.
                    self._tally.delivered(recorded=0, repeated=1)
                elif field == "occurred_at" and "occurred_at" in event:
                    # One of two clocks is wrong; the server dates it then.
                    rest.append({k: v for k, v in event.items() if k != "occurred_at"})
                else:
                    self._set_aside([json.dumps(event).encode()], why)
            self._deliver(sender, rest)
        elif len(events) > 1:
            middle = len(events) // 2
            self._deliver(sender, events[:middle])
            self._deliver(sender, events[middle:])
        else:
            if refusal.status == 403:
                self._introduced(sender)  # was it the event that may not, or the key?
            self._set_aside([json.dumps(events[0]).encode()], str(refusal))

    def _set_aside(self, lines: Sequence[bytes], why: str) -> None:
        self._tally.set_aside(len(lines), why)
        self._spool.note_loss(what="refused", why=why, events=lines)


def _rows(refusal: wire.Refused, events: Sequence[Event]) -> dict[int, tuple[str, str]]:
    """The rows that a refusal names: field and message by position."""
    found: dict[int, tuple[str, str]] = {}
    for row in refusal.rows:
        at = row.get("row")
        if isinstance(at, int) and 0 <= at < len(events):
            field, why = str(row.get("field", "")), str(row.get("message", ""))
            # A wrong date alone is mended; beside another mistake it does not matter.
            if at not in found or found[at][0] == "occurred_at":
                found[at] = (field, why)
    return found


def _event(line: bytes) -> Event | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "key" in event else None


def _pause(away: wire.MintmarkError, failures: int) -> float:
    """Seconds until the next attempt: doubling, with chance in it, and longer where the server asks for that."""
    waited = min(_MOST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0 ** min(failures - 1, 10))
    return max(waited * random.uniform(0.5, 1.0), _asked_seconds(away))


def _asked_seconds(away: wire.MintmarkError) -> float:
    asked = away.retry_after_seconds if isinstance(away, wire.Unavailable) else None
    return min(asked or 0.0, _MOST_ASKED_SECONDS)
