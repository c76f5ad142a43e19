"""Seals of the token book: seal what is settled, prove that what was sealed still stands.

A leaf is a transfer with its entries, in the order of account and id (`database.canonical`), all that the triggers
protect:

    [id, xid, key, digest, cause, memo, actor, posted at, [[entry, account, amount, balance], …]]
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import connection

from mintmark.storage import checkpoints, named_sql, row_encoding
from mintmark.storage.audit_results import InvariantResult
from mintmark.storage.checkpoints import ChainHead, Leaf, RowPosition, RowRange

from .models import TokenCheckpoint

_STEPS = {
    vendor: named_sql.load_statements(Path(__file__).parent / f"checkpoints.{vendor}.sql")
    for vendor in ("postgresql", "sqlite")
}
_POSTED_AT = 7


def create_checkpoints(
    *, now: datetime, at_most: int = checkpoints.MAX_ROWS
) -> list[checkpoints.Checkpoint]:
    """Seal all settled transfers not yet sealed, `at_most` a seal; the new seals, none where nothing is new."""
    return checkpoints.create_checkpoints(CHECKPOINTED_TABLE, now=now, max_rows=at_most)


def get_head() -> ChainHead:
    """The last seal's number and digest, to be written down elsewhere."""
    return checkpoints.get_head(CHECKPOINTED_TABLE)


def verify(progress: Callable[[str], None] = lambda _: None) -> InvariantResult:
    """Compute every root and the chain anew, from the rows; see `database.seals.verify`."""
    return checkpoints.verify(CHECKPOINTED_TABLE, progress=progress)


def _read_leaves(span: RowRange) -> list[Leaf]:
    statements = _STEPS[connection.vendor]
    condition, arguments = span.where_sql
    with connection.cursor() as cursor:
        cursor.execute(f"{statements['transfers']} {condition} {span.order_sql}", arguments)
        transfers = [list(row) for row in cursor.fetchall()]
        if not transfers:
            return []
        last = RowPosition(xid=transfers[-1][1], id=transfers[-1][0])
        condition, arguments = replace(span, until=last, limit=None).where_sql
        cursor.execute(
            f"{statements['entries']} {condition} ORDER BY entry.account_id, entry.id", arguments
        )
        entries: defaultdict[int, list[list[Any]]] = defaultdict(list)
        for transfer, *entry in cursor.fetchall():
            entries[transfer].append(entry)
    if connection.vendor == "sqlite":
        for row in transfers:
            row[_POSTED_AT] = row_encoding.parse_micros(row[_POSTED_AT])
    return [
        Leaf(
            position=RowPosition(xid=row[1], id=row[0]),
            record=row_encoding.encode([*row, entries.get(row[0], [])]),
        )
        for row in transfers
    ]


CHECKPOINTED_TABLE = checkpoints.CheckpointedTable(
    name="tokens",
    table="tokens_transfer",
    model=TokenCheckpoint,
    lock=0x5345414C_02,
    read=_read_leaves,
)
