"""The spool: the segments of one server and one key in the user's state folder, within bounds."""

import hashlib
import json
import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import spool_file
from .spool_file import SpoolFile
from .transport import ServerAddress

MAX_IN_MEMORY = 1_000
"""Events that are held where no file can be written."""
MAX_LOSSES_BYTES = 1 << 20
LOSSES_FILE = "losses.jsonl"
_HOLDER_FILE = "holder"
_FULL_CHECK_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EventBatch:
    """The oldest events that wait, as lines; `segment` is None for those that are held in memory."""

    lines: Sequence[bytes]
    segment: SpoolFile | None
    end: int


class Spool:
    """What waits to be delivered. Any thread puts; one takes.

    A process writes segments of its own, so processes that share a folder never wait for each other.
    """

    def __init__(self, *, root: Path, address: ServerAddress, max_bytes: int) -> None:
        server = hashlib.sha256(address.url.encode()).hexdigest()[:16]
        self.folder = root / server / address.prefix
        self._max_bytes = max_bytes
        # Reentrant, for a report from a signal's handler while its thread is writing one.
        self._lock = threading.RLock()
        self._segments: list[SpoolFile] = []
        self._current: SpoolFile | None = None
        self._memory: deque[bytes] = deque()
        self._full_until = 0.0

    def append(self, event_line: bytes) -> bool:
        """Keep a line, on disk if that can be. False where neither disk nor memory has room left."""
        with self._lock:
            try:
                segment = self._get_writable_segment()
                if segment is None:
                    return False
                segment.append(event_line)
            except OSError:
                if len(self._memory) >= MAX_IN_MEMORY:
                    return False
                self._memory.append(event_line)
            return True

    @property
    def waiting(self) -> int:
        """How many events wait in the segments that this process holds, and in memory."""
        with self._lock:
            return len(self._memory) + sum(segment.waiting for segment in self._segments)

    @property
    def in_memory(self) -> int:
        """How many of them end with this process."""
        return len(self._memory)

    def next_batch(self, limit: int) -> EventBatch | None:
        """The oldest lines, at most so many; None if nothing waits. What is settled whole is removed on the way."""
        with self._lock:
            for segment in list(self._segments):
                if segment.waiting > 0:
                    lines, end = segment.read_lines(limit)
                    if lines:
                        return EventBatch(lines=lines, segment=segment, end=end)
                    segment.waiting = 0  # somebody cut the file short
                if segment is not self._current:
                    self._segments.remove(segment)
                    segment.discard()
            if self._memory:
                return EventBatch(lines=list(self._memory)[:limit], segment=None, end=0)
            return None

    def acknowledge(self, batch: EventBatch) -> None:
        """Note that a batch needs no delivery any more."""
        with self._lock:
            if batch.segment is not None:
                batch.segment.acknowledge(batch.end, line_count=len(batch.lines))
                return
            for _ in batch.lines:
                self._memory.popleft()

    def take_over(self, *, holder: str = "") -> int:
        """Take what processes that died have left, of this key and, once it is known who holds it, of their other keys.
        Returns how many events that are."""
        event_count = 0
        for folder in self._list_folders(holder):
            for path in sorted(folder.glob(f"*{spool_file.SUFFIX}")):
                with self._lock:
                    if any(segment.path == path for segment in self._segments):
                        continue
                    segment = SpoolFile.adopt(path)
                    if segment is not None:
                        self._segments.insert(0, segment)
                        event_count += segment.waiting
        return event_count

    def record_holder(self, holder: str) -> None:
        """Keep whose events these are: under a new key of the same holder they may be delivered too."""
        try:
            if self.folder.is_dir():
                (self.folder / _HOLDER_FILE).write_text(holder)
        except OSError:
            return

    def record_loss(
        self, *, kind: str, reason: str, events: Sequence[bytes] = (), count: int = 1
    ) -> None:
        """Keep what became of events that were not delivered, with the events where there are any."""
        record = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "what": kind,
            "why": reason,
        }
        lines = [
            json.dumps(record | {"event": line.decode(errors="replace")}) for line in events
        ] or [json.dumps(record | {"events": count})]
        try:
            self._make_folder()
            path = self.folder / LOSSES_FILE
            if path.exists() and path.stat().st_size > MAX_LOSSES_BYTES:
                path.replace(path.with_suffix(".old"))
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "w") as file:
                file.write("".join(f"{line}\n" for line in lines))
        except OSError:
            return

    def close(self) -> None:
        """Let go of every segment; those with nothing in them are removed."""
        with self._lock:
            for segment in self._segments:
                if segment.waiting:
                    segment.close()
                else:
                    segment.discard()
            self._segments, self._current = [], None

    def abandon(self) -> None:
        """In a forked child: the segments are its parent's."""
        self._lock = threading.RLock()
        for segment in self._segments:
            segment.close()
        self._segments, self._current = [], None
        self._memory.clear()

    def _get_writable_segment(self) -> SpoolFile | None:
        """The segment to write to; None where the spool is full."""
        current = self._current
        if current is not None and not current.is_full:
            return current
        if time.monotonic() < self._full_until:
            return None
        self._make_folder()
        if self._measure_size() + spool_file.MAX_BYTES > self._max_bytes:
            self._full_until = time.monotonic() + _FULL_CHECK_SECONDS
            return None
        self._current = SpoolFile.create(self.folder)
        self._segments.append(self._current)
        return self._current

    def _make_folder(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _measure_size(self) -> int:
        """Bytes of all segments of this key, of whatever process; one that is being written counts as full."""
        total = 0
        for path in self.folder.glob(f"*{spool_file.SUFFIX}"):
            try:
                total += path.stat().st_size
            except OSError:
                continue
        return total

    def _list_folders(self, holder: str) -> list[Path]:
        folders = [self.folder]
        if holder:
            for holder_file in self.folder.parent.glob(f"*/{_HOLDER_FILE}"):
                try:
                    is_same_holder = holder_file.read_text() == holder
                except OSError:
                    continue
                if is_same_holder and holder_file.parent != self.folder:
                    folders.append(holder_file.parent)
        return folders


def get_default_root() -> Path:
    """Where a user's programs keep state, by the XDG base directory specification."""
    state = os.environ.get("XDG_STATE_HOME", "")
    base = Path(state) if state.startswith("/") else Path.home() / ".local" / "state"
    return base / "mintmark" / "client"
