"""Two transactions interleaved by hand, on PostgreSQL: the second must wait for the first, and then see what it did."""

import threading
from collections.abc import Callable
from queue import SimpleQueue

from django.db import connection, transaction

from mintmark.common import errors

_PATIENCE_SECONDS = 30.0


def interleave(first: Callable[[], object], second: Callable[[], object]) -> object:
    """Do `first`, and before it is committed begin `second` on a connection of its own; what `second` gave, or its
    refusal. An AssertionError where `second` did not wait for `first`.

    Nothing here depends on time: PostgreSQL itself says that `second` waits, and for whom.
    """
    backends: SimpleQueue[int] = SimpleQueue()
    outcomes: list[object] = []

    def work() -> None:
        try:
            backends.put(_backend())
            outcomes.append(second())
        except Exception as raised:
            outcomes.append(raised)
        finally:
            connection.close()

    thread = threading.Thread(target=work, daemon=True)
    with transaction.atomic():
        first()
        thread.start()
        waited = _wait_until_blocked(thread, backend=backends.get(timeout=_PATIENCE_SECONDS))
    thread.join(timeout=_PATIENCE_SECONDS)
    assert not thread.is_alive(), "the second goes on waiting though the first was committed"
    (outcome,) = outcomes
    if isinstance(outcome, Exception) and not isinstance(outcome, errors.DomainError):
        raise outcome
    assert waited, f"the second did not wait for the first, and gave {outcome!r}"
    return outcome


def _wait_until_blocked(thread: threading.Thread, *, backend: int) -> bool:
    """Whether that backend comes to wait for this one, before its thread is done."""
    own = _backend()
    while thread.is_alive():
        with connection.cursor() as cursor:
            cursor.execute("SELECT %s = ANY (pg_blocking_pids(%s))", [own, backend])
            (waits,) = cursor.fetchone()
        if waits:
            return True
        thread.join(timeout=0.005)
    return False


def _backend() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (backend,) = cursor.fetchone()
    return int(backend)
