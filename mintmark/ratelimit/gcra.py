"""A bucket of requests that refills steadily within a minute, stored as one number: the time at which it is full again.

The generic cell rate algorithm (ITU-T I.371): each request moves that time on by one request's share of a minute, and a
request that would move it more than a minute ahead is refused. A caller without a number has a full bucket, so a number
may be dropped once its time has come.
"""

import math
from dataclasses import dataclass

from mintmark.common import errors

WINDOW_SECONDS = 60.0
# The rounding error of thousands of sums on a current clock value.
_SLACK_SECONDS = 1e-3


class TooManyRequests(errors.DomainError):
    """A caller sends requests faster than allowed; `retry_seconds` says when to try again."""

    code = "too_many_requests"

    def __init__(self, message: str, *, retry_seconds: int) -> None:
        super().__init__(message)
        self.retry_seconds = retry_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimitResult:
    """A bucket of `quota` after a request: whether it was allowed, how many are `remaining`, and in how many `seconds`
    the bucket is full again (for a refused request: in how many it may be repeated)."""

    is_allowed: bool
    full_at: float
    remaining: int
    seconds: int


def consume(*, full_at: float, quota: int, now: float) -> RateLimitResult:
    """The bucket of `quota` requests a minute after one more request, if one is left; `quota` is at least 1."""
    request_seconds = WINDOW_SECONDS / quota
    max_ahead = WINDOW_SECONDS + _SLACK_SECONDS
    after = (full_at - now if is_consuming(full_at=full_at, now=now) else 0.0) + request_seconds
    if after > max_ahead:
        wait = _ceil_seconds(after - WINDOW_SECONDS)
        return RateLimitResult(is_allowed=False, full_at=full_at, remaining=0, seconds=wait)
    return RateLimitResult(
        is_allowed=True,
        full_at=now + after,
        remaining=math.floor((max_ahead - after) / request_seconds),
        seconds=_ceil_seconds(after),
    )


def refund(*, full_at: float, quota: int) -> float:
    """The number of a bucket after one request is returned to it."""
    return full_at - WINDOW_SECONDS / quota


def is_consuming(*, full_at: float, now: float) -> bool:
    """Whether a number is that of a bucket that is not full; one too far ahead is from another clock."""
    return 0.0 < full_at - now <= WINDOW_SECONDS + 2 * _SLACK_SECONDS


def _ceil_seconds(seconds: float) -> int:
    return max(1, math.ceil(seconds - _SLACK_SECONDS))
