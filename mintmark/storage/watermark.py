"""Which rows of a table are settled: nothing can appear before them any more.

On PostgreSQL a row stores the transaction that wrote it (the column xid), the order is (xid, id), and a row is settled
once its transaction is older than every running one. SQLite has a single writer: every row is settled, and the order is
id.
"""

from pathlib import Path

from django.db import connection

from mintmark.common import errors

_FOLDER = Path(__file__).parent
_VISIBLE_SQL = (_FOLDER / "watermark.postgresql.sql").read_text().strip()
_NEWEST_SQL = (_FOLDER / "newest.postgresql.sql").read_text().strip()


class WrongDatabaseCluster(errors.DomainError):
    """A table was restored into a PostgreSQL cluster whose transaction counter is lower than the table's."""

    code = "log_from_another_cluster"


def get_visible_sql() -> str:
    """The SQL condition under which a row is settled."""
    return _VISIBLE_SQL if connection.vendor == "postgresql" else "1 = 1"


def check_cluster(*, table: str) -> None:
    """Raise an error if a table names transactions that this PostgreSQL has yet to begin.

    That happens after a restore into another cluster with a lower counter: new rows would sort before old ones, and a
    reader that is past those would never see them.
    """
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute(f'{_NEWEST_SQL} "{table}"')
        newest, next_xid = cursor.fetchone()
    if newest is not None and newest >= next_xid:
        raise WrongDatabaseCluster(
            f"The newest transaction in {table} is {newest} and this PostgreSQL is only at {next_xid}: the database "
            f"comes from another cluster. Stop the server, run pg_resetwal --next-transaction-id={newest + 1} on its "
            "data folder, and start it again. Nothing was changed."
        )
