"""The canonical bytes of a row: the same on both databases, and of no other row.

A value is a letter for its type, then its content; numbers are big-endian, and a length counts what follows it:

    N                                  null
    I, 8 bytes                         an integer, in two's complement
    D, 8 bytes                         a double, as IEEE 754 has it
    T, length in 8 bytes, UTF-8        a text
    B, length in 8 bytes, bytes        bytes
    L, length in 8 bytes, values       a list; its length counts its values

Nothing can be read in two ways, since each value says where it ends. A row is the list of its columns in the order that
its log documents: times as integer microseconds since 1970-01-01 UTC, booleans as 0 and 1, JSON as
`canonicalize_json` returns it.
"""

import json
import struct
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

type CanonicalValue = int | float | str | bytes | Sequence[CanonicalValue] | None

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)
_PACK_INTEGER = struct.Struct(">cq").pack
_PACK_DOUBLE = struct.Struct(">cd").pack


def encode(value: CanonicalValue) -> bytes:
    """The bytes of a value. A number beyond 64 bits raises struct.error, a value of another type KeyError."""
    return _ENCODERS[type(value)](value)


def to_micros(timestamp: datetime) -> int:
    """Microseconds since 1970-01-01 UTC; a naive time is UTC."""
    return (timestamp - (_EPOCH if timestamp.tzinfo is not None else _NAIVE_EPOCH)) // _MICROSECOND


def parse_micros(text: Any) -> CanonicalValue:
    """The same from SQLite's text. A text that Django did not write as a time is returned as it is."""
    try:
        timestamp = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return text  # type: ignore[no-any-return]
    return to_micros(timestamp) if timestamp.tzinfo is None and str(timestamp) == text else text


def canonicalize_json(text: Any) -> CanonicalValue:
    """JSON with sorted keys and no spaces, however the database stores it; text that is not JSON is returned as it
    is."""
    if text == "[]":
        return "[]"
    try:
        value = json.loads(text)
    except (TypeError, ValueError):
        return text  # type: ignore[no-any-return]
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _encode_list(values: Sequence[CanonicalValue]) -> bytes:
    encoders = _ENCODERS
    content = [encoders[type(value)](value) for value in values]
    return _PACK_INTEGER(b"L", len(content)) + b"".join(content)


def _encode_text(text: str) -> bytes:
    # A text without a UTF-8 form (half a surrogate pair, written past every check) still needs distinct bytes.
    content = text.encode(errors="surrogatepass")
    return _PACK_INTEGER(b"T", len(content)) + content


_ENCODERS: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda _: b"N",
    int: lambda value: _PACK_INTEGER(b"I", value),
    float: lambda value: _PACK_DOUBLE(b"D", value),
    str: _encode_text,
    bytes: lambda value: _PACK_INTEGER(b"B", len(value)) + value,
    tuple: _encode_list,
    list: _encode_list,
}
