"""Keyset paging: a cursor says after which entry the next page begins; it is opaque to callers."""

from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any

from django.db.models import Model, QuerySet
from ninja import Query

from mintmark.core import cursors
from mintmark.core.cursors import Key

from . import refusals

DEFAULT_LIMIT = 50
MAX_LIMIT = 200

Limit = Annotated[
    int, Query(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT, description="how many entries at most")
]
Cursor = Annotated[
    str | None,
    Query(
        None, max_length=500, description="`next_cursor` of the page before; none: the first page"
    ),
]


def read(cursor: str | None, *, like: Key) -> Key | None:
    """The key in a cursor, each part of the type of the same part of `like`; None for the first page."""
    if cursor is None:
        return None
    try:
        return cursors.read(cursor, like=like)
    except ValueError:
        raise unreadable(cursor) from None


def unreadable(cursor: str | None) -> refusals.InvalidCursor:
    """The refusal of a cursor that no answer gave out."""
    return refusals.InvalidCursor(
        f"The cursor {str(cursor)[:60]!r} is not one that this list gave; begin again without it."
    )


def write(key: Key) -> str:
    """A cursor after the entry with this key."""
    return cursors.write(key)


def cut[T](
    rows: Sequence[T], *, limit: int, key: Callable[[T], Key]
) -> tuple[Sequence[T], str | None]:
    """The page out of up to `limit` + 1 rows, and the cursor of the next page if there is one."""
    page = rows[:limit]
    return page, write(key(page[-1])) if len(rows) > limit else None


def newest[T: Model](
    rows: QuerySet[Any, T], *, limit: int, cursor: str | None
) -> tuple[Sequence[T], str | None]:
    """The page after `cursor` of rows that stand by their id, the newest first; and the next cursor."""
    after = read(cursor, like=(0,))
    if after is not None:
        rows = rows.filter(pk__lt=after[0])
    return cut(list(rows[: limit + 1]), limit=limit, key=lambda row: (row.pk,))


def page[T](
    rows: Iterable[T], *, limit: int, cursor: str | None, like: Key, key: Callable[[T], Key]
) -> tuple[Sequence[T], str | None]:
    """The page after `cursor` of a list that is made whole, in the ascending order of `key`; and the next cursor."""
    after = read(cursor, like=like)
    rest = [row for row in rows if after is None or key(row) > after]
    return cut(rest[: limit + 1], limit=limit, key=key)
