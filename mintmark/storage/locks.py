"""Row locks: whoever adds something that depends on a row, and whoever ends everything that depends on it, locks that
row first.

Lock, then check, then write: a check made before the lock may be out of date after it. Locks are taken in one order, so
that no two transactions wait for each other in a circle; see docs/adr/0014.
"""

from collections.abc import Iterable

from django.db import connection, models, transaction


def share(model: type[models.Model], ids: Iterable[int]) -> None:
    """Lock these rows in shared mode until the transaction ends, before adding something that depends on them.

    Others may share them at the same time. Waits for a row that somebody holds exclusively.
    """
    _lock(model, ids, strength="SHARE")


def hold(model: type[models.Model], ids: Iterable[int]) -> None:
    """Lock these rows exclusively until the transaction ends, before ending what depends on them.

    Waits for everybody who holds or shares one of them. Rows of other tables may still refer to them: the lock of a
    foreign key is compatible with this one.
    """
    _lock(model, ids, strength="NO KEY UPDATE")


def _lock(model: type[models.Model], ids: Iterable[int], *, strength: str) -> None:
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError(
            f"A lock on {model._meta.db_table} would end at once: take it within a transaction."
        )
    if connection.vendor != "postgresql":
        return  # SQLite's transactions take its only lock at BEGIN
    table, key = model._meta.db_table, model._meta.pk.column
    with connection.cursor() as cursor:
        cursor.execute(
            f'SELECT FROM "{table}" WHERE "{key}" = ANY(%s) ORDER BY "{key}" FOR {strength}',
            [sorted(set(ids))],
        )
