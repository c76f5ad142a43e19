"""`mintmark worker`."""

import os
import signal
import threading
import time
from datetime import UTC, datetime

import click

from mintmark.worker import maintenance, runs, webhooks

from . import bootstrap, exit_codes, output, supervisor

POLL_SECONDS = 0.2
_MAX_POLL_SECONDS = 1.0
_MAX_PAUSE_SECONDS = 15.0
_CHECKPOINT_SECONDS = 3_600.0
_JOIN_SECONDS = 5.0


@click.command()
@click.option("--once", is_flag=True, help="Process the evidence that is recorded now, then end.")
@click.option(
    "--with-parent", is_flag=True, hidden=True, help="End when the process that started this does."
)
@output.json_option
@click.pass_context
def worker(context: click.Context, *, once: bool, with_parent: bool, as_json: bool) -> None:
    """Turn recorded evidence into scores, settle warranties, score listings, continuously.

    Once a minute it settles the warranties that are due, scores the listings and signs the receipts
    of sets that were bought; once an hour it seals both ledgers. On SQLite scores follow as evidence
    is recorded, and the worker does the rest. It also runs the tasks that wait. Any number of
    workers may run: one of them updates the scores, the others wait to replace it. SIGTERM and
    Ctrl-C end it between two transactions.
    """
    bootstrap.open_database()
    from django.db import connection

    if once:
        from mintmark.projection import projector

        folded = projector.project_pending(now=datetime.now(UTC))
        if as_json:
            output.print_json({"projected": folded})
        else:
            output.print_message(f"{folded:,} events turned into scores.")
        return
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    if with_parent:
        supervisor.call_on_parent_exit(parent=os.getppid(), then=stop.set)
    threads = [
        maintenance.start_thread(stop=stop),
        webhooks.start_thread(stop=stop),
        *runs.start_threads(stop=stop),
    ]
    folded = _run_loop(stop, folds=connection.vendor == "postgresql")
    for thread in threads:
        thread.join(timeout=_JOIN_SECONDS)
    if as_json:
        output.print_json({"projected": folded})
    context.exit(exit_codes.DONE)


def _project_slice() -> int:
    """Fold the next slice; how many events it had."""
    from mintmark.projection import projector

    return projector.project_pending(now=datetime.now(UTC), at_most=projector.SLICE_SIZE)


def _run_loop(stop: threading.Event, *, folds: bool) -> int:
    """Fold (where that is a worker's to do) and seal until `stop` is set; the number of events folded."""
    from django.db import Error, close_old_connections, connection

    total = 0
    pause = POLL_SECONDS
    seal_at = time.monotonic()
    while not stop.is_set():
        try:
            close_old_connections()
            folded = _project_slice() if folds else 0
        except Error as failed:
            # The database is restarting, or the network is down: neither is a reason to give up.
            connection.close()
            pause = min(max(1.0, pause * 2), _MAX_PAUSE_SECONDS)
            click.echo(f"! {failed}; trying again in {pause:.0f} s.", err=True)
        else:
            total += folded
            pause = 0.0 if folded else min(max(POLL_SECONDS, pause * 1.2), _MAX_POLL_SECONDS)
        if time.monotonic() >= seal_at and not _write_checkpoints():
            seal_at = time.monotonic() + _CHECKPOINT_SECONDS
        stop.wait(pause)
    return total


def _write_checkpoints() -> bool:
    """Seal the next part of each book; whether more may be there now. Folding goes on between two parts."""
    from django.db import Error, connection

    from mintmark.evidence.checkpoints import CHECKPOINTED_TABLE as EVIDENCE
    from mintmark.storage import checkpoints
    from mintmark.tokens.checkpoints import CHECKPOINTED_TABLE as TOKENS

    try:
        written = [
            checkpoints.create_next_checkpoint(book, now=datetime.now(UTC))
            for book in (EVIDENCE, TOKENS)
        ]
    except Error as failed:
        connection.close()
        click.echo(f"! {failed}; sealing again in an hour.", err=True)
        return False
    return any(
        checkpoint is not None and checkpoint.count == checkpoints.MAX_ROWS
        for checkpoint in written
    )
