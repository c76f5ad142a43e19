"""Calls with retries: jittered waits between attempts, and a rate limit per minute."""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from . import CallFailed, ModelRequest, ModelResponse, ModelRunner

BASE_SECONDS = 0.5
MAX_WAIT_SECONDS = 60.0
MINUTE_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RetriedResponse:
    """A response, after `attempts` attempts; `charged` of the failed ones may have cost something."""

    response: ModelResponse
    attempts: int
    charged: int


class RetriesExhausted(Exception):
    """All attempts failed; `last` is the error of the last one."""

    def __init__(self, last: CallFailed, *, attempts: int, charged: int) -> None:
        super().__init__(str(last))
        self.last = last
        self.attempts = attempts
        self.charged = charged


class RateLimiter:
    """Lets at most `per_minute` calls start in any minute; 0 means no limit."""

    def __init__(self, *, per_minute: int) -> None:
        self._per_minute = per_minute
        self._begun: deque[float] = deque(maxlen=per_minute or 1)
        self._queue = asyncio.Lock()

    async def wait(self) -> None:
        """Return when the next call may start. Calls start in the order of arrival."""
        if not self._per_minute:
            return
        clock = asyncio.get_running_loop().time
        async with self._queue:
            if len(self._begun) == self._per_minute:
                await asyncio.sleep(max(0.0, self._begun[0] + MINUTE_SECONDS - clock()))
            self._begun.append(clock())


async def answer_with_retries(
    runner: ModelRunner,
    request: ModelRequest,
    *,
    attempts: int,
    rate_limiter: RateLimiter,
    rng: random.Random,
    may_pay_again: Callable[[], bool] = lambda: True,
    base_seconds: float = BASE_SECONDS,
) -> RetriedResponse:
    """The runner's response. Raises `RetriesExhausted` after the last attempt.

    The wait between two attempts is a random part of a time that doubles ("full jitter": Brooker 2015, "Exponential
    Backoff And Jitter", AWS Architecture Blog), and at least the endpoint's own Retry-After. If that is over a minute,
    no more attempts are made, as the run would be blocked that long. After an attempt that may have cost something,
    `may_pay_again` decides whether there is another.
    """
    charged = 0
    for attempt in range(1, attempts + 1):
        await rate_limiter.wait()
        try:
            response = await runner.answer(request)
        except CallFailed as error:
            charged += error.may_have_cost
            requested_wait = error.retry_after or 0.0
            is_last = attempt == attempts or not error.may_retry
            is_last = is_last or requested_wait > MAX_WAIT_SECONDS
            if is_last or (error.may_have_cost and not may_pay_again()):
                raise RetriesExhausted(error, attempts=attempt, charged=charged) from None
            max_wait_seconds = min(MAX_WAIT_SECONDS, base_seconds * 2**attempt)
            await asyncio.sleep(requested_wait + rng.uniform(0.0, max_wait_seconds))
        else:
            return RetriedResponse(response=response, attempts=attempt, charged=charged)
    raise AssertionError("at least one attempt is made")
