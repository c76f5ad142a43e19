"""One assistant that runs wild is told to wait, and slows nobody else."""

import pytest

from mintmark.mcp.rate_limit import RequestLimiter
from mintmark.ratelimit.gcra import TooManyRequests


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def _ask(limits: RequestLimiter, who: int, times: int = 1) -> None:
    for _ in range(times):
        with limits.admit(who):
            pass


def test_a_minutes_requests_and_no_more_until_time_has_passed() -> None:
    clock = Clock()
    limits = RequestLimiter(per_minute=30, max_concurrent=5, clock=clock)
    _ask(limits, 1, times=30)
    with pytest.raises(TooManyRequests, match="30 times within a minute") as refused:
        _ask(limits, 1)
    assert refused.value.retry_seconds == 2
    _ask(limits, 2)
    clock.now += 2
    _ask(limits, 1)
    with pytest.raises(TooManyRequests):
        _ask(limits, 1)
    clock.now += 600
    _ask(limits, 1, times=30)


def test_so_many_under_way_and_no_more() -> None:
    limits = RequestLimiter(per_minute=0, max_concurrent=2)
    with limits.admit(1), limits.admit(1):
        with pytest.raises(TooManyRequests, match="2 requests of this assistant are under way"):
            _ask(limits, 1)
        _ask(limits, 2)
    _ask(limits, 1, times=1_000)


def test_a_request_that_fails_is_no_longer_under_way() -> None:
    limits = RequestLimiter(per_minute=0, max_concurrent=1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), limits.admit(1):
            raise ZeroDivisionError
    _ask(limits, 1)
