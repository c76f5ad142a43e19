"""Cursors of keyset paging: after which entry the next page begins, packed so that nobody reads or makes one."""

import base64
import binascii
import json

type Key = tuple[int | float | str, ...]


def read(cursor: str, *, like: Key) -> Key:
    """The key in a cursor, each part of the type of the same part of `like`; `ValueError` for any other text."""
    try:
        parts = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii") + b"=="))
    except (RecursionError, binascii.Error) as broken:
        raise ValueError(cursor) from broken
    if not isinstance(parts, list) or len(parts) != len(like):
        raise ValueError(parts)
    for part, wanted in zip(parts, like, strict=True):
        if type(part) is not type(wanted) or (isinstance(part, int) and abs(part) > 2**63 - 1):
            raise ValueError(part)
        if isinstance(part, float) and not -1e300 < part < 1e300:
            raise ValueError(part)
    return tuple(parts)


def write(key: Key) -> str:
    """A cursor after the entry with this key."""
    packed = json.dumps(key, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")
