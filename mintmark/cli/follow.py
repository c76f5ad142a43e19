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

from mintmark.worker import runs

from . import output

if TYPE_CHECKING:
    from mintmark.rituals.models import MeasurementJob

_POLL_SECONDS = 0.5
_REFRESH_SECONDS = 0.2


def run_to_end(
    job: "MeasurementJob",
    *,
    work: Callable[..., Any],
    label: str,
    progress: Callable[[], tuple[int, int]],
) -> bool:
    """Work on it until it ends; whether somebody stopped that from here, by Ctrl-C. `progress` says how many of how
    many are done of `what` is counted."""
    worker_id = runs.create_worker_id()
    with _stop_on_signals() as stop, output.show_progress(label) as show_progress:
        begun = time.monotonic()

        def watch(_: object = None) -> None:
            nonlocal begun
            if time.monotonic() - begun > _REFRESH_SECONDS:
                begun = time.monotonic()
                show_progress(*progress())

        while not job.is_ended and not stop.is_set():
            ran = work(
                worker_id=worker_id,
                clock=lambda: datetime.now(UTC),
                rng=random.Random(secrets.randbits(64)),
                stop=stop,
                job_id=job.pk,
                on_progress=watch,
            )
            if ran is None:  # a worker has it, or another errand of the assistant goes first
                watch()
                stop.wait(_POLL_SECONDS)
            job.refresh_from_db()
        return stop.is_set() and not job.is_ended


@contextmanager
def _stop_on_signals() -> Iterator[threading.Event]:
    stop = threading.Event()
    before: dict[signal.Signals, Any] = {}
    for name in (signal.SIGINT, signal.SIGTERM):
        before[name] = signal.signal(name, lambda *_: stop.set())
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
