"""What was answered, kept in memory alone: a text on disk would outlive its revocation."""

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from . import forks
from .wire import Answer

MOST_ENTRIES = 512
MOST_BYTES = 16 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An answer, and when what confirmed it was asked (by `clock`); or a refusal, against which what was asked before
    it says nothing any more."""

    body: Mapping[str, Any]
    etag: str
    size: int
    asked: float
    is_refusal: bool = False

    @property
    def digest(self) -> str:
        return str(self.body.get("digest", ""))


class Cache:
    """Answers by name, the least used given up first. Safe between threads."""

    def __init__(self) -> None:
        forks.watch(self)
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def after_fork(self) -> None:
        self._lock = threading.Lock()

    def held(self, name: str) -> Entry | None:
        """The answer under a name, however old."""
        with self._lock:
            entry = self._entries.get(name)
            if entry is None or entry.is_refusal:
                return None
            self._entries.move_to_end(name)
            return entry

    def keep(self, name: str, answer: Answer, *, asked: float) -> None:
        """Take an answer, unless something asked later is known already."""
        entry = Entry(body=answer.body, etag=answer.etag, size=answer.size, asked=asked)
        with self._lock:
            if not self._knows_later(name, asked):
                self._put(name, entry)

    def confirm(self, name: str, *, asked: float) -> None:
        """Note that the server said once more what is held."""
        with self._lock:
            entry = self._entries.get(name)
            if entry is not None and not entry.is_refusal and entry.asked < asked:
                self._entries[name] = replace(entry, asked=asked)

    def drop(self, name: str, *, asked: float) -> None:
        """Forget what was refused, and the same text under every other name."""
        with self._lock:
            entry = self._entries.get(name)
            digest = entry.digest if entry is not None else ""
            same = [n for n, e in self._entries.items() if digest and e.digest == digest]
            for each in {name, *same}:
                self._refuse(each, asked)

    def clear(self, *, asked: float) -> None:
        """Forget everything: whoever calls is known no more."""
        with self._lock:
            for name in list(self._entries):
                self._refuse(name, asked)

    def _knows_later(self, name: str, asked: float) -> bool:
        entry = self._entries.get(name)
        return entry is not None and entry.asked > asked

    def _refuse(self, name: str, asked: float) -> None:
        if not self._knows_later(name, asked):
            self._put(name, Entry(body={}, etag="", size=0, asked=asked, is_refusal=True))

    def _put(self, name: str, entry: Entry) -> None:
        before = self._entries.pop(name, None)
        self._size += entry.size - (before.size if before is not None else 0)
        self._entries[name] = entry
        while len(self._entries) > MOST_ENTRIES or self._size > MOST_BYTES:
            self._size -= self._entries.popitem(last=False)[1].size


def clock() -> float:
    """The clock that entries are dated by."""
    return time.monotonic()
