"""Keyset paging: a cursor says after which entry the next page begins; it is opaque to callers."""

from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any

from django.db.models import Model, QuerySet
from ninja import Query

from mintmark.common import page_tokens
from mintmark.common.page_tokens import SortKey

from . import api_errors

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


def decode_cursor(cursor: str | None, *, key_types: SortKey) -> SortKey | None:
    """The key in a cursor, each part of the type of the same part of `like`; None for the first page."""
    if cursor is None:
        return None
    try:
        return page_tokens.decode(cursor, example_key=key_types)
    except ValueError:
        raise build_cursor_error(cursor) from None


def build_cursor_error(cursor: str | None) -> api_errors.InvalidCursor:
    """The refusal of a cursor that no answer gave out."""
    return api_errors.InvalidCursor(
        f"The cursor {str(cursor)[:60]!r} is not one that this list gave; begin again without it."
    )


def encode_cursor(key: SortKey) -> str:
    """A cursor after the entry with this key."""
    return page_tokens.encode(key)


def slice_page[T](
    rows: Sequence[T], *, limit: int, key: Callable[[T], SortKey]
) -> tuple[Sequence[T], str | None]:
    """The page out of up to `limit` + 1 rows, and the cursor of the next page if there is one."""
    page = rows[:limit]
    return page, encode_cursor(key(page[-1])) if len(rows) > limit else None


def paginate_by_id[T: Model](
    rows: QuerySet[Any, T], *, limit: int, cursor: str | None
) -> tuple[Sequence[T], str | None]:
    """The page after `cursor` of rows that stand by their id, the newest first; and the next cursor."""
    after = decode_cursor(cursor, key_types=(0,))
    if after is not None:
        rows = rows.filter(pk__lt=after[0])
    return slice_page(list(rows[: limit + 1]), limit=limit, key=lambda row: (row.pk,))


def paginate_list[T](
    rows: Iterable[T],
    *,
    limit: int,
    cursor: str | None,
    key_types: SortKey,
    key: Callable[[T], SortKey],
) -> tuple[Sequence[T], str | None]:
    """The page after `cursor` of a list that is made whole, in the ascending order of `key`; and the next cursor."""
    after = decode_cursor(cursor, key_types=key_types)
    remaining = [row for row in rows if after is None or key(row) > after]
    return slice_page(remaining[: limit + 1], limit=limit, key=key)
