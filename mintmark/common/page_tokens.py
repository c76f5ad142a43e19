"""Page tokens of keyset paging: the entry after which the next page begins, encoded so that nobody reads or builds
one."""

import base64
import binascii
import json

type SortKey = tuple[int | float | str, ...]


def decode(token: str, *, example_key: SortKey) -> SortKey:
    """The key in a page token, each part of the type of the same part of `example_key`. Raises ValueError for any other
    text."""
    try:
        values = json.loads(base64.urlsafe_b64decode(token.encode("ascii") + b"=="))
    except (RecursionError, binascii.Error) as broken:
        raise ValueError(token) from broken
    if not isinstance(values, list) or len(values) != len(example_key):
        raise ValueError(values)
    for value, example in zip(values, example_key, strict=True):
        if type(value) is not type(example) or (isinstance(value, int) and abs(value) > 2**63 - 1):
            raise ValueError(value)
        if isinstance(value, float) and not -1e300 < value < 1e300:
            raise ValueError(value)
    return tuple(values)


def encode(key: SortKey) -> str:
    """The page token after the entry with this key."""
    packed = json.dumps(key, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")
