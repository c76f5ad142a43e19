"""Webhooks beside a worker: a thread that sends what is due, so that a slow receiver keeps nothing else waiting."""

import random
import secrets
import threading
import time
from datetime import UTC, datetime

import click

from . import runs

POLL_SECONDS = 1.0
RETRY_SECONDS = 5.0


def start_thread(*, stop: threading.Event) -> threading.Thread:
    """Begin; it ends by itself after the delivery under way once `stop` is set."""
    thread = threading.Thread(target=_send_deliveries, args=(stop,), name="sending", daemon=True)
    thread.start()
    return thread


def _send_deliveries(stop: threading.Event) -> None:
    from django.db import close_old_connections, connection

    from mintmark.webhooks import deliveries, retention

    worker_id = runs.create_worker_id()
    # Waits between attempts are to differ from worker to worker: nothing is measured with this.
    rng = random.Random(secrets.randbits(64))
    forget_at = time.monotonic()
    pause = 0.0
    while not stop.wait(pause):
        try:
            close_old_connections()
            if time.monotonic() >= forget_at:
                retention.purge(now=datetime.now(UTC))
                forget_at = time.monotonic() + runs.FORGET_SECONDS
            sent = deliveries.deliver_next(
                worker_id=worker_id, clock=lambda: datetime.now(UTC), rng=rng
            )
            pause = 0.0 if sent else POLL_SECONDS
        except Exception as failed:
            # The database may be restarting: the lease lapses. What the failure says may quote what was to be sent.
            connection.close()
            click.echo(f"! {type(failed).__name__}; webhooks go on soon.", err=True)
            pause = RETRY_SECONDS
    connection.close()
