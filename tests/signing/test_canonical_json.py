"""JSON with one spelling: against another implementation of RFC 8785, and under everything that is refused."""

import contextlib
import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from mintmark.signing import canonical_json
from mintmark.signing.canonical_json import MAX_SAFE_INTEGER, InvalidCanonicalJson, JsonLimits

WIDE = JsonLimits(size=1 << 24, depth=64, values=1_000_000)

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
KEYS = st.text(st.characters(min_codepoint=1, max_codepoint=0x7F), max_size=8)
LEAVES = st.none() | st.booleans() | st.integers(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER) | TEXTS
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=25,
)


def _code(raw: bytes, limits: JsonLimits = WIDE) -> str:
    with pytest.raises(InvalidCanonicalJson) as refused:
        canonical_json.parse(raw, limits=limits)
    assert refused.value.code in InvalidCanonicalJson.codes
    assert len(refused.value.message) < 200
    return refused.value.code


@given(VALUES)
def test_the_spelling_is_that_of_rfc_8785(value: Any) -> None:
    assert canonical_json.dumps(value) == rfc8785.dumps(value)


@given(VALUES)
def test_what_is_spelled_reads_back(value: Any) -> None:
    raw = canonical_json.dumps(value)
    assert canonical_json.parse(raw, limits=WIDE) == value
    assert canonical_json.to_canonical_bytes(value) == raw
    assert canonical_json.is_canonical(value, raw)


@given(VALUES, st.booleans(), st.sampled_from([None, 1, "\t"]))
def test_another_spelling_is_read_as_the_same_and_told_apart(
    value: Any, ascii_only: bool, indent: int | str | None
) -> None:
    raw = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()
    assert canonical_json.parse(raw, limits=WIDE) == value
    assert canonical_json.is_canonical(value, raw) == (raw == rfc8785.dumps(value))


@given(VALUES, TEXTS)
def test_long_and_wide_strings_are_compared_as_all_else(value: Any, more: str) -> None:
    value = {"long": "🙂" + "x" * 70_000 + more, "rest": value, '\\"': ["🙂\n" * 40_000, [], {}]}
    raw = canonical_json.dumps(value)
    assert canonical_json.is_canonical(value, raw)
    for at in (0, len(raw) // 2, len(raw) - 1):
        assert not canonical_json.is_canonical(value, raw[:at] + b"x" + raw[at:])
    assert not canonical_json.is_canonical(value, raw[:-1])


@pytest.mark.parametrize(
    "value",
    [
        1.0, float("nan"), MAX_SAFE_INTEGER + 1, -MAX_SAFE_INTEGER - 1, {"ö": 1}, {1: 1}, {"a\0": 1}, "a\0", "\ud800",
        {"a": [b""]}, {1, 2},
    ],
    ids=repr,
)  # fmt: skip
def test_what_has_no_spelling_here_is_an_error(value: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        canonical_json.dumps(value)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "invalid_json"),
        (b"{", "invalid_json"),
        (b"[1] 2", "invalid_json"),
        (b"[1,]", "invalid_json"),
        (b"'a'", "invalid_json"),
        (b'"\n"', "invalid_json"),
        (b'"a\0"', "invalid_json"),
        (b"\xef\xbb\xbf[]", "invalid_json"),
        ("[]".encode("utf-16"), "invalid_utf8"),
        (b'"\xff"', "invalid_utf8"),
        (b'"\xc0\xaf"', "invalid_utf8"),
        (b'"\xed\xa0\x80"', "invalid_utf8"),
        (rb'"\ud800"', "invalid_utf8"),
        (rb'"\udFff\ud83d"', "invalid_utf8"),
        (rb'{"\ud83d":1}', "key_not_ascii"),
        (rb'"\u0000"', "nul_character"),
        (rb'"\\\u0000"', "nul_character"),
        (rb'{"a\u0000":1}', "nul_character"),
        (b'{"a":1,"a":1}', "duplicate_json_key"),
        (rb'{"a":1,"\u0061":2}', "duplicate_json_key"),
        (b'[{"b":{"a":1,"c":2,"a":3}}]', "duplicate_json_key"),
        ('{"ö":1}'.encode(), "key_not_ascii"),
        (b"NaN", "not_an_integer"),
        (b"[Infinity]", "not_an_integer"),
        (b"-Infinity", "not_an_integer"),
        (b"1.0", "not_an_integer"),
        (b"1e5", "not_an_integer"),
        (b"1E400", "not_an_integer"),
        (b"9007199254740992", "integer_too_large"),
        (b"-9007199254740992", "integer_too_large"),
        (b"9" * 5_000, "integer_too_large"),
        (b"01", "invalid_json"),
        (b"+1", "invalid_json"),
    ],
)
def test_what_is_no_such_json_is_refused_with_its_code(raw: bytes, code: str) -> None:
    assert _code(raw) == code


def test_what_only_looks_like_it_is_taken() -> None:
    kept = rb'["\\u0000","\\ud800","\ud83d\ude42","NaN","1.5",9007199254740991,-0,"{[,"]'
    assert canonical_json.parse(kept, limits=WIDE) == [
        "\\u0000", "\\ud800", "🙂", "NaN", "1.5", MAX_SAFE_INTEGER, 0, "{[,",
    ]  # fmt: skip


def _measured(value: Any) -> tuple[int, int]:
    """Depth and number of brackets and commas of a value, by walking it."""
    if isinstance(value, dict | list):
        inner = list(value.values() if isinstance(value, dict) else value)
        found = [_measured(one) for one in inner]
        depth = 1 + max((depth for depth, _ in found), default=0)
        return depth, 1 + max(len(inner) - 1, 0) + sum(count for _, count in found)
    return 0, 0


CRAMPED = st.text(st.sampled_from('"\\[]{},:a🙂\n'), max_size=12)
"""Strings of everything that a count over bytes could take for structure."""
CRAMPED_VALUES = st.recursive(
    CRAMPED | st.none(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.sampled_from('"\\[]{},a'), max_size=6), inner, max_size=4)
    ),
    max_leaves=15,
)


@given(CRAMPED_VALUES, st.integers(1, 9), st.booleans())
def test_limits_hold_exactly_wherever_a_chunk_ends(
    value: Any, chunk: int, ascii_only: bool
) -> None:
    raw = json.dumps(value, ensure_ascii=ascii_only).encode()
    depth, values = _measured(value)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(canonical_json, "_CHUNK", chunk)
        fits = JsonLimits(size=len(raw), depth=depth, values=values)
        assert canonical_json.parse(raw, limits=fits) == value
        if depth:
            assert (
                _code(raw, JsonLimits(size=len(raw), depth=depth - 1, values=values)) == "too_deep"
            )
            assert (
                _code(raw, JsonLimits(size=len(raw), depth=depth, values=values - 1))
                == "too_many_values"
            )
        assert _code(raw, JsonLimits(size=len(raw) - 1, depth=depth, values=values)) == "too_large"


@given(
    st.binary(max_size=60) | st.text(st.sampled_from('"\\[]{},:1a \n'), max_size=40).map(str.encode)
)
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    with contextlib.suppress(InvalidCanonicalJson):
        value = canonical_json.parse(raw, limits=WIDE)
        assert canonical_json.parse(canonical_json.dumps(value), limits=WIDE) == value


def test_nesting_is_refused_before_a_parser_sees_it() -> None:
    limits = JsonLimits(size=1 << 24, depth=16, values=1_000)
    assert _code(b"[" * 1_000_000, limits) == "too_deep"
    assert _code(b"[" * 16 + b"," * 1_000, limits) == "too_many_values"
    assert canonical_json.parse(b"[" * 16 + b"]" * 16, limits=limits)
