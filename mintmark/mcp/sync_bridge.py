"""The one way from the event loop to the database: a thread, which gives its connection back after each use."""

from collections.abc import Callable
from functools import partial

import anyio
from anyio.lowlevel import RunVar
from django.db import close_old_connections

MAX_THREADS = 8
_limiter: RunVar[anyio.CapacityLimiter] = RunVar("mintmark.mcp.sync_bridge")


async def run[**P, T](function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `verb` returns. One that has begun is not broken off: who cancels finds all of it done, or nothing."""
    return await anyio.to_thread.run_sync(
        partial(_call_and_release, partial(function, *args, **kwargs)), limiter=_get_limiter()
    )


def _call_and_release[T](function: Callable[[], T]) -> T:
    close_old_connections()
    try:
        return function()
    finally:
        close_old_connections()


def _get_limiter() -> anyio.CapacityLimiter:
    """The limit of this event loop: a limiter belongs to one."""
    limiter = _limiter.get(None)
    if limiter is None:
        limiter = anyio.CapacityLimiter(MAX_THREADS)
        _limiter.set(limiter)
    return limiter
