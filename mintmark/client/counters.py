"""What became of everything that was reported: counted, and said in the log, at most once a minute for each kind."""

import logging
import threading
import time
from dataclasses import dataclass

_log = logging.getLogger("mintmark.client")
_WARN_INTERVAL_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Events since the program began. `reported` were taken; of those `delivered` were recorded and `repeated` known to
    the server before; `set_aside` were refused by it (they are in the file `losses.jsonl` of the spool). `waiting` are
    in the spool now, those of programs that died included. `dropped` found the spool full, `unfit` could not be right;
    neither is delivered. `problem` is what went wrong last, "" if the last attempt went well."""

    reported: int
    delivered: int
    repeated: int
    set_aside: int
    waiting: int
    dropped: int
    unfit: int
    problem: str


class Counters:
    """Counts from any thread."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._counts = dict.fromkeys(
            ("reported", "delivered", "repeated", "set_aside", "dropped", "unfit"), 0
        )
        self._problem = ""
        self._last_warned: dict[str, float] = {}

    def get_counts(self, *, waiting: int) -> Counts:
        with self._lock:
            return Counts(waiting=waiting, problem=self._problem, **self._counts)

    def record_reported(self) -> None:
        with self._lock:
            self._counts["reported"] += 1

    def record_delivered(self, *, recorded: int, repeated: int) -> None:
        with self._lock:
            self._counts["delivered"] += recorded
            self._counts["repeated"] += repeated
            self._problem = ""

    def record_set_aside(self, events: int, reason: str) -> None:
        self._increment("set_aside", events)
        self._warn("set aside", "The server refused an event, which was set aside: %s", reason)

    def record_dropped(self, reason: str) -> None:
        self._increment("dropped", 1)
        self._warn("dropped", "Events are dropped: %s", reason)

    def record_unfit(self, reason: str) -> None:
        self._increment("unfit", 1)
        self._warn("unfit", "A report was not taken: %s", reason)

    def record_failure(self, reason: str) -> None:
        with self._lock:
            self._problem = reason
        self._warn("failed", "Nothing is delivered now; what is reported waits on disk: %s", reason)

    def _increment(self, name: str, events: int) -> None:
        with self._lock:
            self._counts[name] += events

    def _warn(self, kind: str, message: str, reason: str) -> None:
        now = time.monotonic()
        with self._lock:
            if now - self._last_warned.get(kind, -_WARN_INTERVAL_SECONDS) < _WARN_INTERVAL_SECONDS:
                return
            self._last_warned[kind] = now
        _log.warning(message, reason)
