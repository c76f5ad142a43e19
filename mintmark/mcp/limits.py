"""How much one assistant may ask: so many requests a minute, so many at once. One that runs wild slows nobody else."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mintmark.core import buckets
from mintmark.core.buckets import TooManyRequests

AT_ONCE = 32
_MOST_KEPT = 10_000


class Limits:
    """A bucket of `per_minute` requests an assistant, which fills up again as steadily (0: as many as it likes); and
    `at_once` under way, waiting calls and streams among them."""

    def __init__(
        self, *, per_minute: int, at_once: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_minute = per_minute
        self._at_once = at_once
        self._clock = clock
        self._full_at: OrderedDict[int, float] = OrderedDict()  # whoever asked last is last
        self._under_way: dict[int, int] = {}

    @contextmanager
    def passing(self, who: int) -> Iterator[None]:
        """While a request of `who` is under way; `TooManyRequests`."""
        under_way = self._under_way.get(who, 0)
        if under_way >= self._at_once:
            raise TooManyRequests(
                f"{under_way} requests of this assistant are under way, and no more are taken at once: wait for one "
                "to end, or close a stream.",
                retry_seconds=1,
            )
        self._take(who)
        self._under_way[who] = under_way + 1
        try:
            yield
        finally:
            left = self._under_way[who] - 1
            if left:
                self._under_way[who] = left
            else:
                del self._under_way[who]

    def _take(self, who: int) -> None:
        if not self._per_minute:
            return
        standing = buckets.taken(
            full_at=self._full_at.pop(who, 0.0), quota=self._per_minute, now=self._clock()
        )
        self._full_at[who] = standing.full_at
        if len(self._full_at) > _MOST_KEPT:
            # Whoever asked last the longest ago has long got a full bucket again, or is as well off with one.
            self._full_at.popitem(last=False)
        if not standing.is_taken:
            raise TooManyRequests(
                f"This assistant asked {self._per_minute} times within a minute, which is what it may; ask again in "
                f"{standing.seconds} s.",
                retry_seconds=standing.seconds,
            )
