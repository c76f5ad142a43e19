"""Canonical bytes: as documented, of one row alone, and the same from both databases."""

import math
import struct
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintmark.storage import row_encoding

VALUES = st.recursive(
    st.none()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=12,
)


def decoded(content: bytes) -> Any:
    """The value of which these are the bytes; an AssertionError unless they are, to the last."""
    value, rest = _taken(content)
    assert not rest
    return value


def _taken(content: bytes) -> tuple[Any, bytes]:
    kind, rest = content[:1], content[1:]
    if kind == b"N":
        return None, rest
    number, rest = rest[:8], rest[8:]
    if kind == b"D":
        return struct.unpack(">d", number)[0], rest
    (size,) = struct.unpack(">q", number)
    if kind == b"I":
        return size, rest
    if kind == b"L":
        values = []
        for _ in range(size):
            value, rest = _taken(rest)
            values.append(value)
        return values, rest
    assert kind in (b"T", b"B")
    return rest[:size].decode(errors="surrogatepass") if kind == b"T" else rest[:size], rest[size:]


def test_the_bytes_are_those_documented() -> None:
    row = (None, 1, -2, 0.5, "é", b"\x00", [])
    assert row_encoding.encode(row).hex(" ", 1).replace(" ", "") == (
        "4c0000000000000007"
        "4e"
        "490000000000000001"
        "49fffffffffffffffe"
        "443fe0000000000000"
        "540000000000000002c3a9"
        "42000000000000000100"
        "4c0000000000000000"
    )


@given(VALUES)
def test_a_value_can_be_read_back_in_one_way(value: Any) -> None:
    read = decoded(row_encoding.encode(value))
    assert read == value
    assert repr(read) == repr(value)  # 0.0 is not -0.0, and 1 is not 1.0


@given(VALUES, VALUES)
def test_two_values_never_have_the_same_bytes(one: Any, other: Any) -> None:
    same = repr(one) == repr(other)
    assert (row_encoding.encode(one) == row_encoding.encode(other)) == same


@pytest.mark.parametrize("value", [math.nan, math.inf, -0.0, 5e-324])
def test_doubles_keep_their_bits(value: float) -> None:
    assert struct.pack(">d", decoded(row_encoding.encode(value))) == struct.pack(">d", value)


def test_half_a_surrogate_pair_has_bytes_too() -> None:
    assert decoded(row_encoding.encode("\ud800")) == "\ud800"


@given(st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31)))
def test_a_time_is_the_same_whole_microseconds_in_both_databases(moment: datetime) -> None:
    there = row_encoding.to_micros(moment.replace(tzinfo=UTC))
    assert row_encoding.parse_micros(str(moment)) == there
    assert datetime(1970, 1, 1) + timedelta(microseconds=there) == moment


def test_a_time_in_another_zone_is_the_same_moment() -> None:
    east = datetime(2026, 11, 1, 14, tzinfo=timezone(timedelta(hours=2)))
    assert row_encoding.to_micros(east) == row_encoding.to_micros(
        datetime(2026, 11, 1, 12, tzinfo=UTC)
    )


@pytest.mark.parametrize(
    "text",
    ["2026-11-01", "2026-11-01 12:00:00.1", "2026-11-01 12:00:00+00:00", "2026-11-01T12:00:00", "x", 7, None],
)  # fmt: skip
def test_a_time_that_django_would_not_write_stays_what_it_is(text: Any) -> None:
    assert row_encoding.parse_micros(text) == text


def test_json_is_one_text_however_it_is_kept() -> None:
    for text in ('["a", "é"]', '["a","\\u00e9"]'):
        assert row_encoding.canonicalize_json(text) == '["a","é"]'
    assert row_encoding.canonicalize_json('{"b": 1, "a": 2}') == '{"a":2,"b":1}'
    assert row_encoding.canonicalize_json("[") == "["
