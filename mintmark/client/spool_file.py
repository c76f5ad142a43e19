"""A segment: one append-only file of events, of one process while that lives, and anybody's to deliver once it died.

    mintmark-spool 1 000000000064⏎      how far it is settled: the offset of the first event not acknowledged
    {"kind":"outcome",…}⏎               one event a line

An event is in the file before `append` returns (a killed process loses none; a lost machine may lose the last
seconds). Its process holds a lock on it for as long as it lives.
"""

import fcntl
import os
import re
import uuid
from collections.abc import Iterator
from pathlib import Path

MAX_BYTES = 1 << 20
"""A segment beyond this is closed, and the next one begun."""
SUFFIX = ".events"
_HEADER = b"mintmark-spool 1 %012d\n"
_START = len(_HEADER % 0)
# No number of an open file: a late write fails, and hits nobody else's.
_CLOSED = -1
_HEADER_PATTERN = re.compile(rb"mintmark-spool 1 (\d{12})\n")


class SpoolFile:
    """An open segment that this process holds. Callers take turns: it locks against other processes alone."""

    def __init__(self, *, path: Path, fd: int, acknowledged: int, size: int, waiting: int) -> None:
        self.path = path
        self.waiting = waiting
        self.size = size
        self._fd = fd
        self._acknowledged = acknowledged

    @classmethod
    def create(cls, folder: Path) -> "SpoolFile":
        """A new, empty one; `OSError` where there can be none."""
        while True:
            path = folder / f"{uuid.uuid4().hex}{SUFFIX}"
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _write(fd, _HEADER % _START, 0)
            except BlockingIOError:  # taken over before it was locked: another then
                os.close(fd)
            except OSError:
                os.close(fd)
                path.unlink(missing_ok=True)
                raise
            else:
                return cls(path=path, fd=fd, acknowledged=_START, size=_START, waiting=0)

    @classmethod
    def adopt(cls, path: Path) -> "SpoolFile | None":
        """One whose process died; None if it lives, or somebody else was faster."""
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            still_exists = os.fstat(fd).st_nlink > 0
            content = _read_bytes(fd, 0, os.fstat(fd).st_size) if still_exists else b""
        except OSError:
            still_exists, content = False, b""
        if not still_exists:
            os.close(fd)
            return None
        header = _HEADER_PATTERN.match(content)
        # What was being written when the process was killed had not been reported yet.
        size = max(_START, content.rfind(b"\n") + 1)
        acknowledged = min(max(_START, int(header[1]) if header else _START), size)
        waiting = content.count(b"\n", acknowledged, size)
        return cls(path=path, fd=fd, acknowledged=acknowledged, size=size, waiting=waiting)

    @property
    def is_full(self) -> bool:
        return self.size >= MAX_BYTES

    def append(self, event_line: bytes) -> None:
        """Write one line; `OSError` where it can't be written, and then nothing of it is."""
        offset = self.size
        self.size += len(event_line)
        try:
            _write(self._fd, event_line, offset)
        except OSError:
            if self.size == offset + len(event_line):
                self.size = offset
                os.ftruncate(self._fd, offset)
            raise
        self.waiting += 1

    def read_lines(self, limit: int) -> tuple[list[bytes], int]:
        """The first lines that are not settled, and the offset behind them."""
        window = _read_bytes(
            self._fd, self._acknowledged, min(self.size - self._acknowledged, limit * 4096)
        )
        event_lines: list[bytes] = []
        end = 0
        for line_end in _find_line_ends(window):
            event_lines.append(window[end:line_end])
            end = line_end + 1
            if len(event_lines) == limit:
                break
        return event_lines, self._acknowledged + end

    def acknowledge(self, end: int, *, line_count: int) -> None:
        """Note that everything before `end` was acknowledged; a segment with nothing left is emptied."""
        self.waiting -= line_count
        if end >= self.size:
            self._acknowledged = self.size = _START
            _write(self._fd, _HEADER % _START, 0)
            os.ftruncate(self._fd, _START)
        else:
            self._acknowledged = end
            _write(self._fd, _HEADER % end, 0)

    def discard(self) -> None:
        """Remove it for good."""
        self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Let go of it; what is in it waits for whoever takes it over."""
        fd, self._fd = self._fd, _CLOSED
        if fd != _CLOSED:
            os.close(fd)


def _find_line_ends(window: bytes) -> Iterator[int]:
    offset = window.find(b"\n")
    while offset >= 0:
        yield offset
        offset = window.find(b"\n", offset + 1)


def _write(fd: int, content: bytes, offset: int) -> None:
    while content:
        byte_count = os.pwrite(fd, content, offset)
        content, offset = content[byte_count:], offset + byte_count


def _read_bytes(fd: int, offset: int, size: int) -> bytes:
    chunks = []
    while size > 0 and (chunk := os.pread(fd, size, offset)):
        chunks.append(chunk)
        offset, size = offset + len(chunk), size - len(chunk)
    return b"".join(chunks)
