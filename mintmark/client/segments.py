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

MOST_BYTES = 1 << 20
"""A segment beyond this is closed, and the next one begun."""
SUFFIX = ".events"
_HEADER = b"mintmark-spool 1 %012d\n"
_START = len(_HEADER % 0)
# No number of an open file: a late write fails, and hits nobody else's.
_CLOSED = -1
_SETTLED = re.compile(rb"mintmark-spool 1 (\d{12})\n")


class Segment:
    """An open segment that this process holds. Callers take turns: it locks against other processes alone."""

    def __init__(self, *, path: Path, fd: int, settled: int, size: int, waiting: int) -> None:
        self.path = path
        self.waiting = waiting
        self.size = size
        self._fd = fd
        self._settled = settled

    @classmethod
    def begun(cls, folder: Path) -> "Segment":
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
                return cls(path=path, fd=fd, settled=_START, size=_START, waiting=0)

    @classmethod
    def taken_over(cls, path: Path) -> "Segment | None":
        """One whose process died; None if it lives, or somebody else was faster."""
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_there = os.fstat(fd).st_nlink > 0
            content = _read(fd, 0, os.fstat(fd).st_size) if is_there else b""
        except OSError:
            is_there, content = False, b""
        if not is_there:
            os.close(fd)
            return None
        told = _SETTLED.match(content)
        # What was being written when the process was killed had not been reported yet.
        size = max(_START, content.rfind(b"\n") + 1)
        settled = min(max(_START, int(told[1]) if told else _START), size)
        waiting = content.count(b"\n", settled, size)
        return cls(path=path, fd=fd, settled=settled, size=size, waiting=waiting)

    @property
    def is_full(self) -> bool:
        return self.size >= MOST_BYTES

    def append(self, line: bytes) -> None:
        """Write one line; `OSError` where it can't be written, and then nothing of it is."""
        at = self.size
        self.size += len(line)
        try:
            _write(self._fd, line, at)
        except OSError:
            if self.size == at + len(line):
                self.size = at
                os.ftruncate(self._fd, at)
            raise
        self.waiting += 1

    def lines(self, most: int) -> tuple[list[bytes], int]:
        """The first lines that are not settled, and the offset behind them."""
        window = _read(self._fd, self._settled, min(self.size - self._settled, most * 4096))
        found: list[bytes] = []
        end = 0
        for at in _ends(window):
            found.append(window[end:at])
            end = at + 1
            if len(found) == most:
                break
        return found, self._settled + end

    def settle(self, end: int, *, lines: int) -> None:
        """Note that everything before `end` was acknowledged; a segment with nothing left is emptied."""
        self.waiting -= lines
        if end >= self.size:
            self._settled = self.size = _START
            _write(self._fd, _HEADER % _START, 0)
            os.ftruncate(self._fd, _START)
        else:
            self._settled = end
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


def _ends(window: bytes) -> Iterator[int]:
    at = window.find(b"\n")
    while at >= 0:
        yield at
        at = window.find(b"\n", at + 1)


def _write(fd: int, content: bytes, at: int) -> None:
    while content:
        written = os.pwrite(fd, content, at)
        content, at = content[written:], at + written


def _read(fd: int, at: int, size: int) -> bytes:
    parts = []
    while size > 0 and (part := os.pread(fd, size, at)):
        parts.append(part)
        at, size = at + len(part), size - len(part)
    return b"".join(parts)
