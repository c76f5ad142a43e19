"""Telling a client that what is at work in its assistant has changed: a hint, on which nothing depends."""

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime

import anyio
from django.db import Error
from django.utils import timezone

from mintmark.common import errors
from mintmark.deployments import injections

from . import credentials, sync_bridge
from .credentials import KeyHolder

POLL_SECONDS = 1.0
_log = logging.getLogger(__name__)

type ActiveInjectionIds = tuple[int, ...]


def read_active_injections(holder: KeyHolder) -> ActiveInjectionIds:
    """What is at work in an assistant, as far as a change of it concerns its list."""
    rows = injections.list_active_injections(assistant=holder.assistant)
    return tuple(sorted(rows.values_list("pk", flat=True)))


async def poll_changes(
    *, secret: str, since: ActiveInjectionIds, notify: Callable[[], Awaitable[None]]
) -> None:
    """Call `tell` whenever what is at work changes; return when the key is no longer live."""
    while True:
        await anyio.sleep(POLL_SECONDS)
        try:
            current_ids = await sync_bridge.run(_poll_once, secret, timezone.now())
        except errors.DomainError:
            return
        except Error as error:
            # The database is restarting, or the network is down: the next look will tell.
            _log.warning("A look for changes failed: %s", error)
            continue
        if current_ids != since:
            since = current_ids
            await notify()


def _poll_once(secret: str, now: datetime) -> ActiveInjectionIds:
    return read_active_injections(credentials.authenticate(secret=secret, now=now))
