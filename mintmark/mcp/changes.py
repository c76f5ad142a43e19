"""Telling a client that what is at work in its assistant has changed: a hint, on which nothing depends."""

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime

import anyio
from django.db import Error
from django.utils import timezone

from mintmark.core import errors
from mintmark.market import injections

from . import credentials, threads
from .credentials import Holder

LOOK_SECONDS = 1.0
_log = logging.getLogger(__name__)

type Seen = tuple[int, ...]


def seen(holder: Holder) -> Seen:
    """What is at work in an assistant, as far as a change of it concerns its list."""
    rows = injections.at_work(assistant=holder.assistant)
    return tuple(sorted(rows.values_list("pk", flat=True)))


async def follow(*, secret: str, since: Seen, tell: Callable[[], Awaitable[None]]) -> None:
    """Call `tell` whenever what is at work changes; return when the key is no longer live."""
    while True:
        await anyio.sleep(LOOK_SECONDS)
        try:
            now = await threads.run(_look, secret, timezone.now())
        except errors.Refusal:
            return
        except Error as failed:
            # The database is restarting, or the network is down: the next look will tell.
            _log.warning("A look for changes failed: %s", failed)
            continue
        if now != since:
            since = now
            await tell()


def _look(secret: str, now: datetime) -> Seen:
    return seen(credentials.holder(secret=secret, now=now))
