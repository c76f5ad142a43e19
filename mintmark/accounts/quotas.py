"""How often each caller asked lately: one number each, in a file of the home folder that a machine's processes share.

A caller's place among the numbers is a keyed hash, so that the file has one size whoever asks, and nobody can aim at
the place of another. Two callers that fall on one place share what they may. Two processes that take from one bucket
within the same fraction of a microsecond may count one request for two. ADR 13 says why it is a file.
"""

import functools
import hashlib
import logging
import mmap
import threading
import time
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path

from django.conf import settings

from mintmark.core import buckets
from mintmark.core.buckets import Standing

_log = logging.getLogger(__name__)

PLACES = 1 << 17
_WIDTH = 8
_KNOWN_SECONDS = 24 * 3600.0


class Kind(IntEnum):
    """Whose bucket it is."""

    CREDENTIAL = 0
    ADDRESS = 1


class Quotas:
    """The buckets of credentials and of addresses; each call is of microseconds and asks no database."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._one_at_a_time = threading.Lock()
        self._numbers = memoryview(_mapped(path, size=len(Kind) * PLACES * _WIDTH)).cast("d")

    def take(self, kind: Kind, who: str, *, quota: int) -> Standing:
        """Take a request from the bucket of `who`, if it holds one."""
        place, now = _place(kind, who), self._clock()
        with self._one_at_a_time:
            standing = buckets.taken(full_at=self._numbers[place], quota=quota, now=now)
            if standing.is_taken:
                self._numbers[place] = standing.full_at
        return standing

    def give_back(self, kind: Kind, who: str, *, quota: int) -> None:
        """Put a request back that was taken and need not have been."""
        place = _place(kind, who)
        with self._one_at_a_time:
            self._numbers[place] = buckets.given_back(full_at=self._numbers[place], quota=quota)

    def note(self, who: str) -> None:
        """Know a credential as good that has no quota."""
        self._numbers[_place(Kind.CREDENTIAL, who)] = self._clock()

    def is_known(self, who: str) -> bool:
        """Whether a credential was good within the last day. A wrong one passes for it by chance, once in as many tries
        as there are places for each that is known."""
        full_at, now = self._numbers[_place(Kind.CREDENTIAL, who)], self._clock()
        return 0.0 <= now - full_at < _KNOWN_SECONDS or buckets.is_ahead(full_at=full_at, now=now)

    def forget(self, who: str) -> None:
        """Know a credential no longer: it turned out to be dead."""
        self._numbers[_place(Kind.CREDENTIAL, who)] = 0.0


@functools.cache
def shared() -> Quotas:
    """The buckets of this installation on this machine."""
    return Quotas(settings.HOME / "quotas")


def _place(kind: Kind, who: str) -> int:
    key = settings.SECRET_KEY.encode()[: hashlib.blake2b.MAX_KEY_SIZE]
    digest = hashlib.blake2b(who.encode(errors="replace"), digest_size=8, key=key).digest()
    return kind * PLACES + int.from_bytes(digest) % PLACES


def _mapped(path: Path, *, size: int) -> mmap.mmap:
    try:
        path.touch(mode=0o600)
        with path.open("r+b") as file:
            file.truncate(size)
            return mmap.mmap(file.fileno(), size)
    except OSError as wrong:
        _log.warning(
            "%s can't be written (%s): each process counts requests by itself", path, wrong.strerror
        )
        return mmap.mmap(-1, size)
