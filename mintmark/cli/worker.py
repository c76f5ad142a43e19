"""`mintmark worker`."""

import os
import signal
import threading
import time
from datetime import UTC, datetime

import click

from . import exits, installation, output

POLL_SECONDS = 0.2
_LONGEST_POLL_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 15.0


@click.command()
@click.option("--once", is_flag=True, help="Fold what is there, then end.")
@click.option(
    "--with-parent", is_flag=True, hidden=True, help="End when the process that started this does."
)
@output.json_option
@click.pass_context
def worker(context: click.Context, *, once: bool, with_parent: bool, as_json: bool) -> None:
    """Fold recorded evidence into scores, as it comes (PostgreSQL).

    On SQLite evidence is folded as it is recorded, and this ends at once. Any number of workers may
    run: one of them folds, the others stand by. SIGTERM and Ctrl-C end it between two slices, each
    of which is a transaction of its own.
    """
    installation.open_database()
    from django.db import connection

    from mintmark.trust import projector

    if once or connection.vendor == "sqlite":
        folded = projector.advance(now=datetime.now(UTC))
        if as_json:
            output.print_json({"folded": folded})
        elif once:
            output.say(f"{folded:,} events folded.")
        else:
            output.say("On SQLite evidence is folded as it is recorded: there is nothing to do.")
        return
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    if with_parent:
        _end_with(parent=os.getppid(), stop=stop)
    folded = _run(stop)
    if as_json:
        output.print_json({"folded": folded})
    context.exit(exits.DONE)


def _run(stop: threading.Event) -> int:
    """Fold until `stop` is set; the number of events folded."""
    from django.db import Error, close_old_connections, connection

    from mintmark.trust import projector

    total = 0
    pause = POLL_SECONDS
    while not stop.is_set():
        try:
            close_old_connections()
            folded = projector.advance(now=datetime.now(UTC), at_most=projector.SLICE)
        except Error as failed:
            # The database is restarting, or the network is down: neither is a reason to give up.
            connection.close()
            pause = min(max(1.0, pause * 2), _LONGEST_PAUSE_SECONDS)
            click.echo(f"! {failed}; trying again in {pause:.0f} s.", err=True)
        else:
            total += folded
            pause = 0.0 if folded else min(max(POLL_SECONDS, pause * 1.2), _LONGEST_POLL_SECONDS)
        stop.wait(pause)
    return total


def _end_with(*, parent: int, stop: threading.Event) -> None:
    """Set `stop` when the parent is gone, however it went."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        stop.set()

    threading.Thread(target=watch, daemon=True).start()
