"""Seals of the log: seal what is settled, prove that what was sealed still stands.

A leaf is the list (`database.canonical`) of an event's columns and those of its batch, all that the triggers protect:

    [id, xid, batch, kind, prompt, assistant, ritual, actor, cohort, admissible, score, runs, tags, note, occurred at,
     recorded at, key, digest, batch's actor, batch's source, batch's recorded at, batch's size]
"""

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import connection

from mintmark.database import canonical, seals
from mintmark.database.findings import Finding
from mintmark.database.seals import Head, Leaf, Position, Span

from . import log
from .models import Seal

_FOLDER = Path(__file__).parent
_ROWS = {
    vendor: (_FOLDER / f"seals.{vendor}.sql").read_text().strip()
    for vendor in ("postgresql", "sqlite")
}
_TAGS, _TIMES = 12, (14, 15, 20)


def seal(*, now: datetime, at_most: int = seals.ROWS) -> list[seals.Seal]:
    """Seal all settled events not yet sealed, `at_most` a seal; the new seals, none where nothing is new."""
    return seals.seal(BOOK, now=now, at_most=at_most)


def head() -> Head:
    """The last seal's number and digest, to be written down elsewhere."""
    return seals.head(BOOK)


def verify(progress: Callable[[str], None] = lambda _: None) -> Finding:
    """Compute every root and the chain anew, from the rows; see `database.seals.verify`."""
    return seals.verify(BOOK, progress=progress)


def _read(span: Span) -> list[Leaf]:
    return [
        Leaf(at=Position(xid=row[1], id=row[0]), record=canonical.encoded(row))
        for row in _rows(span)
    ]


def _rows(span: Span) -> list[list[Any]]:
    where, arguments = span.sql
    with connection.cursor() as cursor:
        cursor.execute(f"{_ROWS[connection.vendor]} {where} {span.rest}", arguments)
        rows = [list(row) for row in cursor.fetchall()]
    for row in rows:
        row[_TAGS] = canonical.text_of_json(row[_TAGS])
        if connection.vendor == "sqlite":
            for at in _TIMES:
                row[at] = canonical.micros_of_text(row[at])
    return rows


def _suspects(span: Span) -> Iterator[str]:
    """The events whose claim is not that whose digest stands beside it."""
    for row in _rows(span):
        if not _is_as_claimed(row):
            yield f"event {row[0]} is not what was claimed: its digest is that of something else"


def _is_as_claimed(row: list[Any]) -> bool:
    (
        _, _, _, kind, prompt, assistant, ritual, _, cohort, admissible, score, runs, tags, note, occurred_at, _, key,
        digest, *_,
    ) = row  # fmt: skip
    try:
        entry = log.Entry(
            kind=kind,
            prompt_id=prompt,
            assistant_id=assistant,
            ritual_id=ritual,
            cohort=cohort,
            admissible=bool(admissible),
            score=score,
            runs=runs,
            tags=tuple(json.loads(tags)),
            note=note,
            occurred_at=datetime(1970, 1, 1) + timedelta(microseconds=occurred_at),
            key=key,
        )
        return entry.digest() == bytes(digest)
    except (AttributeError, OverflowError, TypeError, ValueError):  # values of other types
        return False


BOOK = seals.Book(
    name="evidence",
    table="evidence_event",
    model=Seal,
    lock=0x5345414C_01,
    read=_read,
    suspects=_suspects,
)
