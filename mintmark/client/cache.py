"""What was answered, kept in memory alone: a text on disk would outlive its revocation."""

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from . import at_fork
from .transport import ApiResponse

MAX_ENTRIES = 512
MAX_BYTES = 16 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheEntry:
    """An answer, and when what confirmed it was asked (by `clock`); or a refusal, against which what was asked before
    it says nothing any more."""

    body: Mapping[str, Any]
    etag: str
    size: int
    requested_at: float
    is_refused: bool = False

    @property
    def digest(self) -> str:
        return str(self.body.get("digest", ""))


class ResponseCache:
    """Answers by name, the least used given up first. Safe between threads."""

    def __init__(self) -> None:
        at_fork.register_at_fork(self)
        self._entries: OrderedDict[str, CacheEntry] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def after_fork(self) -> None:
        self._lock = threading.Lock()

    def find(self, name: str) -> CacheEntry | None:
        """The answer under a name, however old."""
        with self._lock:
            entry = self._entries.get(name)
            if entry is None or entry.is_refused:
                return None
            self._entries.move_to_end(name)
            return entry

    def store(self, name: str, response: ApiResponse, *, requested_at: float) -> None:
        """Take an answer, unless something asked later is known already."""
        entry = CacheEntry(
            body=response.body, etag=response.etag, size=response.size, requested_at=requested_at
        )
        with self._lock:
            if not self._has_later(name, requested_at):
                self._store_entry(name, entry)

    def confirm(self, name: str, *, requested_at: float) -> None:
        """Note that the server said once more what is held."""
        with self._lock:
            entry = self._entries.get(name)
            if entry is not None and not entry.is_refused and entry.requested_at < requested_at:
                self._entries[name] = replace(entry, requested_at=requested_at)

    def drop(self, name: str, *, requested_at: float) -> None:
        """Forget what was refused, and the same text under every other name."""
        with self._lock:
            entry = self._entries.get(name)
            digest = entry.digest if entry is not None else ""
            same = [n for n, e in self._entries.items() if digest and e.digest == digest]
            for dropped_name in {name, *same}:
                self._mark_refused(dropped_name, requested_at)

    def clear(self, *, requested_at: float) -> None:
        """Forget everything: whoever calls is known no more."""
        with self._lock:
            for name in list(self._entries):
                self._mark_refused(name, requested_at)

    def _has_later(self, name: str, requested_at: float) -> bool:
        entry = self._entries.get(name)
        return entry is not None and entry.requested_at > requested_at

    def _mark_refused(self, name: str, requested_at: float) -> None:
        if not self._has_later(name, requested_at):
            self._store_entry(
                name,
                CacheEntry(body={}, etag="", size=0, requested_at=requested_at, is_refused=True),
            )

    def _store_entry(self, name: str, entry: CacheEntry) -> None:
        before = self._entries.pop(name, None)
        self._size += entry.size - (before.size if before is not None else 0)
        self._entries[name] = entry
        while len(self._entries) > MAX_ENTRIES or self._size > MAX_BYTES:
            self._size -= self._entries.popitem(last=False)[1].size


def get_time() -> float:
    """The clock that entries are dated by."""
    return time.monotonic()
