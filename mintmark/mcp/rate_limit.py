"""How much one assistant may ask: so many requests a minute, so many at once. One that runs wild slows nobody else."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mintmark.ratelimit import gcra
from mintmark.ratelimit.gcra import TooManyRequests

MAX_CONCURRENT = 32
_MAX_BUCKETS = 10_000


class RequestLimiter:
    """A bucket of `per_minute` requests an assistant, which fills up again as steadily (0: as many as it likes); and
    `at_once` under way, waiting calls and streams among them."""

    def __init__(
        self, *, per_minute: int, max_concurrent: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_minute = per_minute
        self._max_concurrent = max_concurrent
        self._clock = clock
        self._full_at: OrderedDict[int, float] = OrderedDict()  # whoever asked last is last
        self._under_way: dict[int, int] = {}

    @contextmanager
    def admit(self, principal_id: int) -> Iterator[None]:
        """While a request of `who` is under way; `TooManyRequests`."""
        under_way = self._under_way.get(principal_id, 0)
        if under_way >= self._max_concurrent:
            raise TooManyRequests(
                f"{under_way} requests of this assistant are under way, and no more are taken at once: wait for one "
                "to end, or close a stream.",
                retry_seconds=1,
            )
        self._consume(principal_id)
        self._under_way[principal_id] = under_way + 1
        try:
            yield
        finally:
            remaining = self._under_way[principal_id] - 1
            if remaining:
                self._under_way[principal_id] = remaining
            else:
                del self._under_way[principal_id]

    def _consume(self, principal_id: int) -> None:
        if not self._per_minute:
            return
        rate_limit = gcra.consume(
            full_at=self._full_at.pop(principal_id, 0.0), quota=self._per_minute, now=self._clock()
        )
        self._full_at[principal_id] = rate_limit.full_at
        if len(self._full_at) > _MAX_BUCKETS:
            # Whoever asked last the longest ago has long got a full bucket again, or is as well off with one.
            self._full_at.popitem(last=False)
        if not rate_limit.is_allowed:
            raise TooManyRequests(
                f"This assistant asked {self._per_minute} times within a minute, which is what it may; ask again in "
                f"{rate_limit.seconds} s.",
                retry_seconds=rate_limit.seconds,
            )
