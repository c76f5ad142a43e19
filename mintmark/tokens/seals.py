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

from mintmark.database import canonical, seals, steps
from mintmark.database.findings import Finding
from mintmark.database.seals import Head, Leaf, Position, Span

from .models import Seal

_STEPS = {
    vendor: steps.read(Path(__file__).parent / f"seals.{vendor}.sql")
    for vendor in ("postgresql", "sqlite")
}
_POSTED_AT = 7


def seal(*, now: datetime, at_most: int = seals.ROWS) -> list[seals.Seal]:
    """Seal all settled transfers not yet sealed, `at_most` a seal; the new seals, none where nothing is new."""
    return seals.seal(BOOK, now=now, at_most=at_most)


def head() -> Head:
    """The last seal's number and digest, to be written down elsewhere."""
    return seals.head(BOOK)


def verify(progress: Callable[[str], None] = lambda _: None) -> Finding:
    """Compute every root and the chain anew, from the rows; see `database.seals.verify`."""
    return seals.verify(BOOK, progress=progress)


def _read(span: Span) -> list[Leaf]:
    sql = _STEPS[connection.vendor]
    where, arguments = span.sql
    with connection.cursor() as cursor:
        cursor.execute(f"{sql['transfers']} {where} {span.rest}", arguments)
        transfers = [list(row) for row in cursor.fetchall()]
        if not transfers:
            return []
        last = Position(xid=transfers[-1][1], id=transfers[-1][0])
        where, arguments = replace(span, upto=last, limit=None).sql
        cursor.execute(f"{sql['entries']} {where} ORDER BY entry.account_id, entry.id", arguments)
        entries: defaultdict[int, list[list[Any]]] = defaultdict(list)
        for transfer, *entry in cursor.fetchall():
            entries[transfer].append(entry)
    if connection.vendor == "sqlite":
        for row in transfers:
            row[_POSTED_AT] = canonical.micros_of_text(row[_POSTED_AT])
    return [
        Leaf(
            at=Position(xid=row[1], id=row[0]),
            record=canonical.encoded([*row, entries.get(row[0], [])]),
        )
        for row in transfers
    ]


BOOK = seals.Book(
    name="tokens", table="tokens_transfer", model=Seal, lock=0x5345414C_02, read=_read
)
