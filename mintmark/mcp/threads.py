"""The one way from the event loop to the database: a thread, which gives its connection back after each use."""

from collections.abc import Callable
from functools import partial

import anyio
from anyio.lowlevel import RunVar
from django.db import close_old_connections

MOST = 8
_limiter: RunVar[anyio.CapacityLimiter] = RunVar("mintmark.mcp.threads")


async def run[**P, T](verb: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """What `verb` returns. One that has begun is not broken off: who cancels finds all of it done, or nothing."""
    return await anyio.to_thread.run_sync(
        partial(_given_back, partial(verb, *arguments, **named)), limiter=_limit()
    )


def _given_back[T](verb: Callable[[], T]) -> T:
    close_old_connections()
    try:
        return verb()
    finally:
        close_old_connections()


def _limit() -> anyio.CapacityLimiter:
    """The limit of this event loop: a limiter belongs to one."""
    found = _limiter.get(None)
    if found is None:
        found = anyio.CapacityLimiter(MOST)
        _limiter.set(found)
    return found
