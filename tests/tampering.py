"""Tampering with the books, as somebody with the database's password might."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction


@contextmanager
def past_the_triggers() -> Iterator[None]:
    """While the block runs, no trigger stands in the way."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")
            yield
            cursor.execute("SET session_replication_role = DEFAULT")
        return
    connection.ensure_connection()
    enabled = sqlite3.SQLITE_DBCONFIG_ENABLE_TRIGGER
    connection.connection.setconfig(enabled, False)
    try:
        yield
    finally:
        connection.connection.setconfig(enabled, True)


def leave_ids_out(table: str) -> None:
    """Leave room for rows that were never written: the next id of `table` is 100 further."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT setval(pg_get_serial_sequence(%s, 'id'), nextval(pg_get_serial_sequence(%s, 'id')) + 100)",
                [table, table],
            )
        else:
            cursor.execute("UPDATE sqlite_sequence SET seq = seq + 100 WHERE name = %s", [table])


@contextmanager
def tried() -> Iterator[None]:
    """Whatever the block does past the triggers is taken back at its end."""
    with transaction.atomic():
        with past_the_triggers():
            yield
        transaction.set_rollback(True)
