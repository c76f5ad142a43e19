"""`mintmark worker`."""

import os
import signal
import threading
import time
from datetime import UTC, datetime

import click

from . import exits, installation, measuring, output, processes, sending, upkeep

POLL_SECONDS = 0.2
_LONGEST_POLL_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 15.0
_SEAL_SECONDS = 3_600.0
_PATIENCE_SECONDS = 5.0


@click.command()
@click.option("--once", is_flag=True, help="Fold what is there, then end.")
@click.option(
    "--with-parent", is_flag=True, hidden=True, help="End when the process that started this does."
)
@output.json_option
@click.pass_context
def worker(context: click.Context, *, once: bool, with_parent: bool, as_json: bool) -> None:
    """Fold recorded evidence into scores, settle warranties, score listings, as it comes.

    Once a minute it settles the warranties that are due, scores the listings and signs the receipts
    of sets that were bought, once an hour it seals both books. On SQLite evidence is folded as it
    is recorded, and this does the rest. All the while it runs the rituals that wait. Any number of
    workers may run: one of them folds, the others stand by. SIGTERM and Ctrl-C end it between two
    slices, each of which is a transaction of its own.
    """
    installation.open_database()
    from django.db import connection

    if once:
        from mintmark.trust import projector

        folded = projector.advance(now=datetime.now(UTC))
        if as_json:
            output.print_json({"folded": folded})
        else:
            output.say(f"{folded:,} events folded.")
        return
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    if with_parent:
        processes.when_gone(parent=os.getppid(), then=stop.set)
    beside = [upkeep.start(stop=stop), sending.start(stop=stop), *measuring.start(stop=stop)]
    folded = _run(stop, folds=connection.vendor == "postgresql")
    for thread in beside:
        thread.join(timeout=_PATIENCE_SECONDS)
    if as_json:
        output.print_json({"folded": folded})
    context.exit(exits.DONE)


def _fold() -> int:
    """Fold the next slice; how many events it had."""
    from mintmark.trust import projector

    return projector.advance(now=datetime.now(UTC), at_most=projector.SLICE)


def _run(stop: threading.Event, *, folds: bool) -> int:
    """Fold (where that is a worker's to do) and seal until `stop` is set; the number of events folded."""
    from django.db import Error, close_old_connections, connection

    total = 0
    pause = POLL_SECONDS
    seal_at = time.monotonic()
    while not stop.is_set():
        try:
            close_old_connections()
            folded = _fold() if folds else 0
        except Error as failed:
            # The database is restarting, or the network is down: neither is a reason to give up.
            connection.close()
            pause = min(max(1.0, pause * 2), _LONGEST_PAUSE_SECONDS)
            click.echo(f"! {failed}; trying again in {pause:.0f} s.", err=True)
        else:
            total += folded
            pause = 0.0 if folded else min(max(POLL_SECONDS, pause * 1.2), _LONGEST_POLL_SECONDS)
        if time.monotonic() >= seal_at and not _seal_part():
            seal_at = time.monotonic() + _SEAL_SECONDS
        stop.wait(pause)
    return total


def _seal_part() -> bool:
    """Seal the next part of each book; whether more may be there now. Folding goes on between two parts."""
    from django.db import Error, connection

    from mintmark.database import seals
    from mintmark.evidence.seals import BOOK as EVIDENCE
    from mintmark.tokens.seals import BOOK as TOKENS

    try:
        made = [seals.seal_next(book, now=datetime.now(UTC)) for book in (EVIDENCE, TOKENS)]
    except Error as failed:
        connection.close()
        click.echo(f"! {failed}; sealing again in an hour.", err=True)
        return False
    return any(one is not None and one.count == seals.ROWS for one in made)
