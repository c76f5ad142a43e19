"""Runs and comparisons beside a worker: threads that take them as they come, and forget outputs whose time is over.

In threads of their own: a run waits for endpoints most of the time, and evidence may not wait for it to be folded.
"""

import random
import secrets
import socket
import threading
import time
from datetime import UTC, datetime

import click

POLL_SECONDS = 1.0
RETRY_SECONDS = 5.0
FORGET_SECONDS = 3_600.0


def start_threads(*, stop: threading.Event) -> list[threading.Thread]:
    """Begin, as many threads as MINTMARK_RUNS_AT_ONCE says; soon after `stop` is set they give runs back and end."""
    from django.conf import settings

    threads = [
        threading.Thread(target=_run_jobs, args=(stop, n), name=f"measuring-{n}", daemon=True)
        for n in range(settings.RUNS_AT_ONCE)
    ]
    for thread in threads:
        thread.start()
    return threads


def create_worker_id() -> str:
    """A name for a process or thread that takes runs, of no other one."""
    return f"{socket.gethostname()[:60]}-{secrets.token_hex(8)}"


def _run_jobs(stop: threading.Event, number: int) -> None:
    from django.db import close_old_connections, connection

    from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
    from mintmark.rituals import comparison_worker, retention, run_worker

    worker_id = create_worker_id()
    # Waits between attempts are to differ from worker to worker: nothing is measured with this.
    rng = random.Random(secrets.randbits(64))
    forget_at = time.monotonic()
    pause = 0.0
    while not stop.wait(pause):
        try:
            close_old_connections()
            if number == 0 and time.monotonic() >= forget_at:
                retention.purge_outputs(now=datetime.now(UTC))
                forget_at = time.monotonic() + FORGET_SECONDS
            ran = run_worker.process_next_run(
                worker_id=worker_id, clock=_get_now, rng=rng, stop=stop,
                on_recorded=SymbolicPromptTokenMarketplace().decide_measured_warranties,
            )  # fmt: skip
            compared = comparison_worker.process_next_comparison(
                worker_id=worker_id, clock=_get_now, rng=rng, stop=stop
            )
            pause = 0.0 if ran is not None or compared is not None else POLL_SECONDS
        except Exception as failed:
            # The database may be restarting: the lease lapses, and whoever takes the run next goes on. What the
            # failure says may quote what was asked, so its name alone is told.
            connection.close()
            click.echo(f"! {type(failed).__name__}; runs of rituals go on soon.", err=True)
            pause = RETRY_SECONDS
    connection.close()


def _get_now() -> datetime:
    return datetime.now(UTC)
