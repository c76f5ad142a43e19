"""Runs, comparisons and audits of claims beside a worker: threads that take them as they come, draw claims to audit
about once a minute, and forget outputs whose time is over.

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
QUEUE_AUDITS_SECONDS = 60.0


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
    import numpy as np
    from django.db import close_old_connections, connection

    from mintmark.claim_audits import audit_worker, choosing
    from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
    from mintmark.rituals import comparison_worker, retention, run_worker

    worker_id = create_worker_id()
    # Waits between attempts are to differ from worker to worker: nothing is measured with this.
    rng = random.Random(secrets.randbits(64))
    # Nobody may foresee which claims are run again.
    draw = np.random.default_rng(secrets.randbits(128))
    forget_at = queue_at = time.monotonic()
    pause = 0.0
    while not stop.wait(pause):
        try:
            close_old_connections()
            if number == 0 and time.monotonic() >= forget_at:
                retention.purge_outputs(now=datetime.now(UTC))
                forget_at = time.monotonic() + FORGET_SECONDS
            if number == 0 and time.monotonic() >= queue_at:
                choosing.queue_audits(now=datetime.now(UTC), rng=draw)
                queue_at = time.monotonic() + QUEUE_AUDITS_SECONDS
            ran = run_worker.process_next_run(
                worker_id=worker_id, clock=_get_now, rng=rng, stop=stop,
                on_recorded=SymbolicPromptTokenMarketplace().decide_measured_warranties,
            )  # fmt: skip
            compared = comparison_worker.process_next_comparison(
                worker_id=worker_id, clock=_get_now, rng=rng, stop=stop
            )
            audited = audit_worker.process_next_audit(
                worker_id=worker_id, clock=_get_now, rng=rng, stop=stop
            )
            is_idle = ran is None and compared is None and audited is None
            pause = POLL_SECONDS if is_idle else 0.0
        except Exception as failed:
            # The database may be restarting: the lease lapses, and whoever takes the run next goes on. What the
            # failure says may quote what was asked, so its name alone is told.
            connection.close()
            click.echo(f"! {type(failed).__name__}; runs of rituals go on soon.", err=True)
            pause = RETRY_SECONDS
    connection.close()


def _get_now() -> datetime:
    return datetime.now(UTC)
