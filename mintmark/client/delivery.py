"""Delivery: takes what waits in the spool to the server, in a thread of its own, until each event is acknowledged."""

import json
import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from . import transport
from .counters import Counters
from .spool import Spool
from .transport import ApiRequest, Transport

BATCH_SIZE = 200
LINGER_SECONDS = 0.5
"""How long the first event of a batch waits for others."""
IDLE_CHECK_SECONDS = 30.0
"""How often an idle process looks for what others have left."""
_FIRST_PAUSE_SECONDS, _MAX_PAUSE_SECONDS = 0.5, 60.0
_MAX_RETRY_AFTER_SECONDS = 300.0

type Event = dict[str, Any]


class DeliveryThread:
    """A thread that begins with the first event and ends with `stop`.

    Events go in batches, all or nothing, each with the key that it got when it was reported: what is not acknowledged
    is sent again, and the server counts what it knows as repeated. What it refuses is set aside, row by row.
    """

    def __init__(
        self, *, make_transport: Callable[[], Transport], spool: Spool, counters: Counters
    ) -> None:
        self._make_transport = make_transport
        self._spool = spool
        self._counters = counters
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_stopping = False
        self._is_hurried = False
        self._is_idle = True
        self._must_wait = False
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
                remaining_seconds = deadline - time.monotonic()
                gave_up = attempts is not None and (
                    self._must_wait or self._failed - failed_before >= attempts
                )
                if remaining_seconds <= 0 or gave_up:
                    break
                self._changed.wait(min(remaining_seconds, 0.5))
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
        sender = self._make_transport()
        pause, failures = 0.0, 0
        try:
            while self._wait_for_attempt(pause):
                try:
                    is_more = self._deliver_next(sender)
                except transport.MintmarkError as away:
                    failures += 1
                    pause = _compute_pause(away, failures)
                    self._counters.record_failure(str(away))
                    with self._changed:
                        self._must_wait = _get_retry_after(away) > 0
                        self._failed += 1
                        self._changed.notify_all()
                except Exception as mistake:  # a mistake of ours must not end delivery
                    failures += 1
                    pause = _MAX_PAUSE_SECONDS
                    self._counters.record_failure(f"{type(mistake).__name__}: {mistake}")
                else:
                    failures, pause, self._must_wait = 0, 0.0, False
                    if not is_more:
                        self._wait_for_events()
        finally:
            sender.close()

    def _wait_for_attempt(self, pause: float) -> bool:
        """Wait out a pause, which a flush cuts short unless the server asked for it; False once this is to stop."""
        deadline = time.monotonic() + pause
        with self._changed:
            while not self._is_stopping:
                remaining_seconds = deadline - time.monotonic()
                if remaining_seconds <= 0:
                    return True
                self._changed.wait(remaining_seconds)
                if self._is_hurried and not self._must_wait:
                    self._is_hurried = False
                    return True
            return False

    def _wait_for_events(self) -> None:
        """Wait for something to do, and then a little for more of it."""
        with self._changed:
            self._is_idle = True
            self._changed.notify_all()
            if not self._is_stopping and not self._spool.waiting:
                self._changed.wait(IDLE_CHECK_SECONDS)
            self._is_idle = False
            deadline = time.monotonic() + LINGER_SECONDS
            while (
                not self._is_stopping
                and not self._is_hurried
                and 0 < self._spool.waiting < BATCH_SIZE
            ):
                remaining_seconds = deadline - time.monotonic()
                if remaining_seconds <= 0:
                    break
                self._changed.wait(remaining_seconds)

    def _deliver_next(self, sender: Transport) -> bool:
        """Deliver one batch, and say whether more waits. Raises where it must be tried again later."""
        if self._holder is None:
            self._holder = self._identify_holder(sender)
            self._spool.record_holder(self._holder)
        batch = self._spool.next_batch(BATCH_SIZE)
        if batch is None:
            self._spool.take_over(holder=self._holder)
            batch = self._spool.next_batch(BATCH_SIZE)
        if batch is None:
            return False
        events = []
        for event_line in batch.lines:
            event = _parse_event(event_line)
            if event is None:
                self._set_aside([event_line], "It can't be read any more.")
            else:
                events.append(event)
        self._send_events(sender, events)
        self._spool.acknowledge(batch)
        with self._changed:
            self._changed.notify_all()
        return self._spool.waiting > 0

    def _identify_holder(self, sender: Transport) -> str:
        """Who the server says that we are; "" where the key may not ask. A key that may not record evidence delivers
        nothing: everything waits until it may."""
        try:
            me = sender.send(ApiRequest(path="/me")).body
        except transport.Refused as refusal:
            if refusal.status != 403:
                raise
            return ""
        scopes = me.get("scopes")
        if not isinstance(scopes, list):
            raise transport.Unavailable("What answered there is no Mintmark.")
        if not {"evidence", "admin"} & set(map(str, scopes)):
            raise transport.Unavailable(
                "The key lacks the scope 'evidence'; what is reported waits."
            )
        return f"{me.get('kind')} {me.get('id')} {me.get('name')}"

    def _send_events(self, sender: Transport, events: Sequence[Event]) -> None:
        """Bring events to a settled end, each: recorded, known before, or set aside. Raises where that must wait."""
        if not events:
            return
        body = json.dumps({"events": events}, separators=(",", ":")).encode()
        try:
            receipt = sender.send(ApiRequest(path="/evidence", body=body)).body
        except transport.Refused as refusal:
            self._handle_refusal(sender, events, refusal)
            return
        recorded, repeated = receipt.get("recorded"), receipt.get("repeated")
        if not isinstance(recorded, int) or not isinstance(repeated, int):
            raise transport.Unavailable("What answered there is no Mintmark.")
        if recorded + repeated != len(events):
            raise transport.Unavailable(
                "The server acknowledged another number of events than it got."
            )
        self._counters.record_delivered(recorded=recorded, repeated=repeated)

    def _handle_refusal(
        self, sender: Transport, events: Sequence[Event], refusal: transport.Refused
    ) -> None:
        """Go on without what a refusal names; where it names no row, look for it in halves."""
        if refusal.status not in (400, 403, 409, 413, 415, 422):
            raise refusal
        row_errors = _find_row_errors(refusal, events)
        if row_errors:
            rest = [event for n, event in enumerate(events) if n not in row_errors]
            for n, (field, reason) in row_errors.items():
                event = events[n]
                if refusal.code == "idempotency_key_reused":
                    # Nobody else makes its key: it was recorded, and then dated anew.
                    self._counters.record_delivered(recorded=0, repeated=1)
                elif field == "occurred_at" and "occurred_at" in event:
                    # One of two clocks is wrong; the server dates it then.
                    rest.append({k: v for k, v in event.items() if k != "occurred_at"})
                else:
                    self._set_aside([json.dumps(event).encode()], reason)
            self._send_events(sender, rest)
        elif len(events) > 1:
            middle = len(events) // 2
            self._send_events(sender, events[:middle])
            self._send_events(sender, events[middle:])
        else:
            if refusal.status == 403:
                self._identify_holder(sender)  # was it the event that may not, or the key?
            self._set_aside([json.dumps(events[0]).encode()], str(refusal))

    def _set_aside(self, event_lines: Sequence[bytes], reason: str) -> None:
        self._counters.record_set_aside(len(event_lines), reason)
        self._spool.record_loss(kind="refused", reason=reason, events=event_lines)


def _find_row_errors(
    refusal: transport.Refused, events: Sequence[Event]
) -> dict[int, tuple[str, str]]:
    """The rows that a refusal names: field and message by position."""
    row_errors: dict[int, tuple[str, str]] = {}
    for row in refusal.rows:
        position = row.get("row")
        if isinstance(position, int) and 0 <= position < len(events):
            field, reason = str(row.get("field", "")), str(row.get("message", ""))
            # A wrong date alone is mended; beside another mistake it does not matter.
            if position not in row_errors or row_errors[position][0] == "occurred_at":
                row_errors[position] = (field, reason)
    return row_errors


def _parse_event(event_line: bytes) -> Event | None:
    try:
        event = json.loads(event_line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "key" in event else None


def _compute_pause(away: transport.MintmarkError, failures: int) -> float:
    """Seconds until the next attempt: doubling, with chance in it, and longer where the server asks for that."""
    waited = min(_MAX_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0 ** min(failures - 1, 10))
    return max(waited * random.uniform(0.5, 1.0), _get_retry_after(away))


def _get_retry_after(away: transport.MintmarkError) -> float:
    retry_after = away.retry_after_seconds if isinstance(away, transport.Unavailable) else None
    return min(retry_after or 0.0, _MAX_RETRY_AFTER_SECONDS)
