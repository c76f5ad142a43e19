"""The market's maintenance beside a worker: about once a minute, settle the warranties that are due, score the
listings, sign the receipts of sets that were bought, and look for trust that fell.

In a thread of its own: scoring thousands of listings takes longer than evidence may wait to be folded.
"""

import threading
from collections.abc import Callable
from datetime import UTC, datetime

import click

SECONDS = 60.0
RETRY_SECONDS = 1.0
FIRST_SECONDS = 3.0
"""How long it leaves the machine to a server that is just starting."""


def start_thread(*, stop: threading.Event) -> threading.Thread:
    """Begin; it ends by itself soon after `stop` is set, between two settlements."""
    thread = threading.Thread(target=_run_loop, args=(stop,), name="maintenance", daemon=True)
    thread.start()
    return thread


def settle_warranties() -> int:
    """Settle the warranties that are due now; how many were."""
    from mintmark.market.marketplace import SymbolicPromptTokenMarketplace

    return len(SymbolicPromptTokenMarketplace().decide_due_warranties(now=datetime.now(UTC)))


def refresh_listings() -> int:
    """Bring the stored scores of all listings up to date; how many changed."""
    from mintmark.market.marketplace import SymbolicPromptTokenMarketplace

    return SymbolicPromptTokenMarketplace().refresh_scores(now=datetime.now(UTC))


def issue_receipts() -> int:
    """Sign the receipts of sets that were bought lately and have none; how many were made."""
    from mintmark.market.marketplace import SymbolicPromptTokenMarketplace

    return SymbolicPromptTokenMarketplace().issue_due_receipts(now=datetime.now(UTC))


def raise_trust_alerts() -> int:
    """Notify of prompts at work that fell below their assistants' floors; returns how many did."""
    from mintmark.market.marketplace import SymbolicPromptTokenMarketplace

    return SymbolicPromptTokenMarketplace().raise_trust_alerts(now=datetime.now(UTC))


def _run_loop(stop: threading.Event) -> None:
    from django.db import connection

    pause, failed = FIRST_SECONDS, 0
    while not stop.wait(pause):
        failed = (
            0
            if all(
                [
                    _run_step(settle_warranties),
                    _run_step(refresh_listings),
                    _run_step(issue_receipts),
                    _run_step(raise_trust_alerts),
                ]
            )
            else failed + 1
        )
        pause = min(SECONDS, RETRY_SECONDS * 2 ** min(failed, 10)) if failed else SECONDS
    connection.close()


def _run_step(step: Callable[[], int]) -> bool:
    """Whether a step could be done. What fails ends neither another step nor the worker: the database may be
    restarting, and what was settled is not settled twice."""
    from django.db import close_old_connections, connection

    try:
        close_old_connections()
        step()
    except Exception as failed:
        connection.close()
        click.echo(f"! {failed}; the market's maintenance tries again soon.", err=True)
        return False
    return True
