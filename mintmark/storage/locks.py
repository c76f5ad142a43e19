"""Locks: whoever adds what rests on a row, and whoever ends all that rests on it, name that row first.

Lock, then check, then write: a check that was made before the lock may be out of date once the lock is there. Locks are
taken in one order, so that no two transactions wait for each other in a circle; see docs/adr/0014.
"""

from collections.abc import Iterable

from django.db import connection, models, transaction


def share(model: type[models.Model], ids: Iterable[int]) -> None:
    """Keep these rows from being changed until the transaction ends: for whoever adds what rests on them.

    Others may do the same at the same time. A row that somebody holds is waited for.
    """
    _lock(model, ids, strength="SHARE")


def hold(model: type[models.Model], ids: Iterable[int]) -> None:
    """Have these rows alone until the transaction ends: for whoever ends what rests on them.

    Whoever holds or shares one of them is waited for. Rows of other tables may go on referring to them: the lock of a
    foreign key is compatible with this one.
    """
    _lock(model, ids, strength="NO KEY UPDATE")


def _lock(model: type[models.Model], ids: Iterable[int], *, strength: str) -> None:
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError(
            f"A lock on {model._meta.db_table} would end at once: take it within a transaction."
        )
    if connection.vendor != "postgresql":
        return  # SQLite's transactions take the only lock there is at BEGIN
    table, key = model._meta.db_table, model._meta.pk.column
    with connection.cursor() as cursor:
        cursor.execute(
            f'SELECT FROM "{table}" WHERE "{key}" = ANY(%s) ORDER BY "{key}" FOR {strength}',
            [sorted(set(ids))],
        )
