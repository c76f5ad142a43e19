"""Seeing a run or a comparison through from a terminal, beside any worker that has taken it already."""

import random
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from . import measuring, output

if TYPE_CHECKING:
    from mintmark.rituals.models import Errand

_POLL_SECONDS = 0.5
_LOOK_SECONDS = 0.2


def work_on(
    errand: "Errand",
    *,
    work: Callable[..., Any],
    what: str,
    progress: Callable[[], tuple[int, int]],
) -> bool:
    """Work on it until it ends; whether somebody stopped that from here, by Ctrl-C. `progress` says how many of how
    many are done of `what` is counted."""
    me = measuring.holder()
    with _stopped_by_signals() as stop, output.progress(what) as shown:
        begun = time.monotonic()

        def watch(_: object = None) -> None:
            nonlocal begun
            if time.monotonic() - begun > _LOOK_SECONDS:
                begun = time.monotonic()
                shown(*progress())

        while not errand.is_ended and not stop.is_set():
            ran = work(
                holder=me,
                clock=lambda: datetime.now(UTC),
                rng=random.Random(secrets.randbits(64)),
                stop=stop,
                only=errand.pk,
                watch=watch,
            )
            if ran is None:  # a worker has it, or another errand of the assistant goes first
                watch()
                stop.wait(_POLL_SECONDS)
            errand.refresh_from_db()
        return stop.is_set() and not errand.is_ended


@contextmanager
def _stopped_by_signals() -> Iterator[threading.Event]:
    stop = threading.Event()
    before: dict[signal.Signals, Any] = {}
    for name in (signal.SIGINT, signal.SIGTERM):
        before[name] = signal.signal(name, lambda *_: stop.set())
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
