"""Keyset paging: a cursor says after which entry the next page begins; it is opaque to callers."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Annotated

from ninja import Query

from . import refusals

DEFAULT_LIMIT = 50
MAX_LIMIT = 200

type Key = tuple[int | float | str, ...]

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
        parts = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii") + b"=="))
        if not isinstance(parts, list) or len(parts) != len(like):
            raise ValueError(parts)
        for part, wanted in zip(parts, like, strict=True):
            if type(part) is not type(wanted) or (isinstance(part, int) and abs(part) > 2**63 - 1):
                raise ValueError(part)
            if isinstance(part, float) and not -1e300 < part < 1e300:
                raise ValueError(part)
    except (ValueError, RecursionError, binascii.Error):
        raise unreadable(cursor) from None
    return tuple(parts)


def unreadable(cursor: str | None) -> refusals.InvalidCursor:
    """The refusal of a cursor that no answer gave out."""
    return refusals.InvalidCursor(
        f"The cursor {str(cursor)[:60]!r} is not one that this list gave; begin again without it."
    )


def write(key: Key) -> str:
    """A cursor after the entry with this key."""
    packed = json.dumps(key, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def cut[T](
    rows: Sequence[T], *, limit: int, key: Callable[[T], Key]
) -> tuple[Sequence[T], str | None]:
    """The page out of up to `limit` + 1 rows, and the cursor of the next page if there is one."""
    page = rows[:limit]
    return page, write(key(page[-1])) if len(rows) > limit else None
