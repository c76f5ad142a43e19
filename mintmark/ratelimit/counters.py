"""Rate limits of each caller: one number each, in a file of the home folder that the processes of a machine share.

A caller's slot is a keyed hash, so the file has one size however many callers there are, and nobody can aim at
another's slot. Two callers with the same slot share a limit. Two processes that use one bucket within the same fraction
of a microsecond may count two requests as one. ADR 13 says why it is a file.
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

from mintmark.ratelimit import gcra
from mintmark.ratelimit.gcra import RateLimitResult

_log = logging.getLogger(__name__)

SLOTS = 1 << 17
_SLOT_BYTES = 8
_REMEMBERED_SECONDS = 24 * 3600.0


class QuotaSubject(IntEnum):
    """What kind of subject a bucket belongs to."""

    CREDENTIAL = 0
    ADDRESS = 1


class Quotas:
    """The buckets of credentials and of addresses; each call takes microseconds and no database query."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._numbers = memoryview(
            _open_memory_map(path, size=len(QuotaSubject) * SLOTS * _SLOT_BYTES)
        ).cast("d")

    def consume(self, kind: QuotaSubject, identifier: str, *, quota: int) -> RateLimitResult:
        """Take a request from the bucket of `identifier`, if one is left."""
        slot, now = _get_slot(kind, identifier), self._clock()
        with self._lock:
            result = gcra.consume(full_at=self._numbers[slot], quota=quota, now=now)
            if result.is_allowed:
                self._numbers[slot] = result.full_at
        return result

    def refund(self, kind: QuotaSubject, identifier: str, *, quota: int) -> None:
        """Return a request to its bucket that need not have been counted."""
        slot = _get_slot(kind, identifier)
        with self._lock:
            self._numbers[slot] = gcra.refund(full_at=self._numbers[slot], quota=quota)

    def remember(self, identifier: str) -> None:
        """Remember a valid credential that has no quota."""
        self._numbers[_get_slot(QuotaSubject.CREDENTIAL, identifier)] = self._clock()

    def is_recently_seen(self, identifier: str) -> bool:
        """Whether a credential was valid within the last day. An invalid one passes by chance, once in as many tries as
        there are slots for each known credential."""
        full_at, now = self._numbers[_get_slot(QuotaSubject.CREDENTIAL, identifier)], self._clock()
        return 0.0 <= now - full_at < _REMEMBERED_SECONDS or gcra.is_consuming(
            full_at=full_at, now=now
        )

    def forget(self, identifier: str) -> None:
        """Forget a credential: it turned out to be revoked or expired."""
        self._numbers[_get_slot(QuotaSubject.CREDENTIAL, identifier)] = 0.0


@functools.cache
def get_shared_quotas() -> Quotas:
    """The buckets of this installation on this machine."""
    return Quotas(settings.HOME / "quotas")


def _get_slot(kind: QuotaSubject, identifier: str) -> int:
    key = settings.SECRET_KEY.encode()[: hashlib.blake2b.MAX_KEY_SIZE]
    digest = hashlib.blake2b(identifier.encode(errors="replace"), digest_size=8, key=key).digest()
    return kind * SLOTS + int.from_bytes(digest) % SLOTS


def _open_memory_map(path: Path, *, size: int) -> mmap.mmap:
    try:
        path.touch(mode=0o600)
        with path.open("r+b") as file:
            file.truncate(size)
            return mmap.mmap(file.fileno(), size)
    except OSError as error:
        _log.warning(
            "%s can't be written (%s): each process counts requests by itself", path, error.strerror
        )
        return mmap.mmap(-1, size)
