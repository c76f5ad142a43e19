"""What became of everything that was reported: counted, and said in the log, at most once a minute for each kind."""

import logging
import threading
import time
from dataclasses import dataclass

_log = logging.getLogger("mintmark.client")
_SAY_AGAIN_SECONDS = 60.0


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


class Tally:
    """Counts from any thread."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._counts = dict.fromkeys(
            ("reported", "delivered", "repeated", "set_aside", "dropped", "unfit"), 0
        )
        self._problem = ""
        self._said: dict[str, float] = {}

    def counts(self, *, waiting: int) -> Counts:
        with self._lock:
            return Counts(waiting=waiting, problem=self._problem, **self._counts)

    def reported(self) -> None:
        with self._lock:
            self._counts["reported"] += 1

    def delivered(self, *, recorded: int, repeated: int) -> None:
        with self._lock:
            self._counts["delivered"] += recorded
            self._counts["repeated"] += repeated
            self._problem = ""

    def set_aside(self, events: int, why: str) -> None:
        self._count("set_aside", events)
        self._say("set aside", "The server refused an event, which was set aside: %s", why)

    def dropped(self, why: str) -> None:
        self._count("dropped", 1)
        self._say("dropped", "Events are dropped: %s", why)

    def unfit(self, why: str) -> None:
        self._count("unfit", 1)
        self._say("unfit", "A report was not taken: %s", why)

    def failed(self, why: str) -> None:
        with self._lock:
            self._problem = why
        self._say("failed", "Nothing is delivered now; what is reported waits on disk: %s", why)

    def _count(self, name: str, events: int) -> None:
        with self._lock:
            self._counts[name] += events

    def _say(self, kind: str, message: str, why: str) -> None:
        now = time.monotonic()
        with self._lock:
            if now - self._said.get(kind, -_SAY_AGAIN_SECONDS) < _SAY_AGAIN_SECONDS:
                return
            self._said[kind] = now
        _log.warning(message, why)
