"""Canonical JSON: RFC 8785, restricted to objects with ASCII keys, strings, integers, booleans and null.

Fractions are excluded: implementations of canonical JSON differ there, and nothing here needs them. Without them, the
standard library's sorted, compact, unescaped output is exactly RFC 8785.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from mintmark.common import errors

MAX_SAFE_INTEGER = 2**53 - 1
"""The largest integer that every JSON reader represents exactly (RFC 7493)."""
_CHUNK = 1 << 18
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
# PostgreSQL can't store U+0000, and readers in C stop there. A raw one is not JSON; after an even run of backslashes it
# is plain text.
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_MAX_INTEGER_CHARACTERS = 17
_FOUR_BYTE_LEAD = 0xF0
_LONG_STRING = 1 << 16
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


class InvalidCanonicalJson(errors.CodedError):
    """Bytes that are not JSON in the supported form, or exceed a limit. `code` says which."""

    codes = frozenset(
        ("too_large", "too_deep", "too_many_values", "invalid_utf8", "invalid_json", "key_not_ascii",
         "duplicate_json_key", "nul_character", "not_an_integer", "integer_too_large")
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonLimits:
    """Limits: `size` in bytes, `depth` in open brackets, `values` in brackets and commas outside strings."""

    size: int
    depth: int
    values: int


def dumps(value: Any) -> bytes:
    """The canonical bytes of a value. Raises ValueError for a fraction, an integer beyond 2⁵³ − 1, a key that is not
    ASCII, U+0000 or half a surrogate pair."""
    _check_value(value)
    return to_canonical_bytes(value)


def to_canonical_bytes(value: Any) -> bytes:
    """The same for a value that `parse` returned, which needs no second validation."""
    return _ENCODER.encode(value).encode()


def parse(raw: bytes, *, limits: JsonLimits) -> Any:
    """The value of these JSON bytes, canonical or not; time and memory are bounded by `limits`.

    Raises `InvalidCanonicalJson` with one of the codes `too_large`, `too_deep`, `too_many_values`, `invalid_utf8`,
    `invalid_json`, `key_not_ascii`, `duplicate_json_key`, `nul_character`, `not_an_integer` (NaN, infinity, fractions),
    `integer_too_large`.
    """
    check_size(raw, limits=limits)
    _check_limits(raw, limits=limits)
    text = decode_utf8(raw)
    if text.startswith("\ufeff"):
        raise InvalidCanonicalJson(
            "invalid_json", "It begins with a byte order mark: save it without one."
        )
    try:
        value = json.loads(
            text,
            object_pairs_hook=_reject_duplicate_keys,
            parse_int=_parse_integer,
            parse_float=_reject_fraction,
            parse_constant=_reject_fraction,
        )
        if _SURROGATE.search(text):
            to_canonical_bytes(value)
        check_no_nul(text)
        return value
    except UnicodeEncodeError:
        raise InvalidCanonicalJson(
            "invalid_utf8", "It contains half a surrogate pair, which is not a character."
        ) from None
    except json.JSONDecodeError as bad:
        raise InvalidCanonicalJson(
            "invalid_json", f"It is not JSON: {bad.msg} at character {bad.pos}."
        ) from None
    except RecursionError:
        raise InvalidCanonicalJson("too_deep", "It is nested too deeply.") from None


def is_canonical(value: Any, raw: bytes) -> bool:
    """Whether `raw`, which `parse` read as `value`, is its canonical form."""
    if not _has_wide_string(raw):
        return to_canonical_bytes(value) == raw
    offset = 0
    for chunk in _iterate_chunks(value):
        encoded_chunk = chunk.encode()
        if not raw.startswith(encoded_chunk, offset):
            return False
        offset += len(encoded_chunk)
    return offset == len(raw)


def decode_utf8(raw: bytes) -> str:
    """The text that these bytes are."""
    try:
        return raw.decode()
    except UnicodeDecodeError as bad:
        raise InvalidCanonicalJson("invalid_utf8", f"Byte {bad.start} is not UTF-8.") from None


def check_no_nul(text: str) -> None:
    """Refuse JSON in which a string contains U+0000, escaped."""
    if "\\u0000" in text and _NUL.search(text):
        raise InvalidCanonicalJson("nul_character", "A string holds the character U+0000.")


def build_too_large_error(size: int, *, limits: JsonLimits) -> InvalidCanonicalJson:
    """The error for a file of so many bytes."""
    return InvalidCanonicalJson(
        "too_large", f"It has {size:,} bytes, and {limits.size:,} are taken."
    )


def check_size(raw: bytes, *, limits: JsonLimits) -> None:
    """Refuse bytes beyond the size limit."""
    if len(raw) > limits.size:
        raise build_too_large_error(len(raw), limits=limits)


def _check_limits(raw: bytes, *, limits: JsonLimits) -> None:
    """Count nesting and values in the bytes, a chunk at a time, before a parser builds objects from them."""
    inside, depth, values, escaped = False, 0, 0, False
    for start in range(0, len(raw), _CHUNK):
        chunk = raw[start : start + _CHUNK]
        if inside and not escaped and b'"' not in chunk and b"\\" not in chunk:
            continue  # one long string, such as a payload
        if escaped:
            chunk = b" " + chunk[1:]
        unescaped = chunk.replace(b"\\\\", b"  ")
        escaped = unescaped.endswith(b"\\")
        codes = np.frombuffer(unescaped.replace(b'\\"', b"  "), dtype=np.uint8)
        quotes = codes == 0x22
        in_string = (np.cumsum(quotes, dtype=np.int64) + inside) % 2 == 1
        inside = bool(in_string[-1])
        outside = ~in_string & ~quotes
        opening = outside & ((codes == 0x5B) | (codes == 0x7B))
        closing = outside & ((codes == 0x5D) | (codes == 0x7D))
        values += int(np.count_nonzero(opening)) + int(np.count_nonzero(outside & (codes == 0x2C)))
        depths = np.cumsum(opening.astype(np.int32) - closing.astype(np.int32)) + depth
        deepest, depth = int(depths.max()), int(depths[-1])
        if deepest > limits.depth:
            raise InvalidCanonicalJson("too_deep", f"It is nested more than {limits.depth} deep.")
        if values > limits.values:
            raise InvalidCanonicalJson(
                "too_many_values", f"It has more than {limits.values:,} values."
            )


def _has_wide_string(raw: bytes) -> bool:
    """Whether a long string contains a character of four bytes, for which Python uses four bytes for each of its
    characters."""
    codes = np.frombuffer(raw, dtype=np.uint8)
    if codes.max(initial=0) < _FOUR_BYTE_LEAD:
        return False
    quotes = np.flatnonzero(np.frombuffer(raw.replace(b'\\"', b"  "), dtype=np.uint8) == 0x22)
    return int(np.diff(quotes).max(initial=0)) > _LONG_STRING


def _iterate_chunks(value: Any) -> Iterator[str]:
    """The canonical form, a chunk at a time."""
    if isinstance(value, dict):
        for n, key in enumerate(sorted(value)):
            yield ("," if n else "{") + _ENCODER.encode(key) + ":"
            yield from _iterate_chunks(value[key])
        yield "}" if value else "{}"
    elif isinstance(value, list):
        for n, item in enumerate(value):
            yield "," if n else "["
            yield from _iterate_chunks(item)
        yield "]" if value else "[]"
    elif isinstance(value, str) and len(value) > _LONG_STRING:
        yield '"'
        for offset in range(0, len(value), _LONG_STRING):
            yield _ENCODER.encode(value[offset : offset + _LONG_STRING])[1:-1]
        yield '"'
    else:
        yield _ENCODER.encode(value)


def _reject_duplicate_keys(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        known_keys: set[str] = set()
        duplicate = next(key for key, _ in pairs if key in known_keys or known_keys.add(key))  # type: ignore[func-returns-value]
        raise InvalidCanonicalJson(
            "duplicate_json_key", f"The key {duplicate[:60]!r} is used twice in one object."
        )
    if not "".join(members).isascii():
        odd = next(key for key in members if not key.isascii())
        raise InvalidCanonicalJson("key_not_ascii", f"The key {odd[:60]!r} is not ASCII.")
    return members


def _parse_integer(text: str) -> int:
    if len(text) > _MAX_INTEGER_CHARACTERS or abs(int(text)) > MAX_SAFE_INTEGER:
        raise InvalidCanonicalJson(
            "integer_too_large", f"The integer {text[:40]} is beyond 2⁵³ − 1."
        )
    return int(text)


def _reject_fraction(text: str) -> NoReturn:
    raise InvalidCanonicalJson("not_an_integer", f"The number {text[:40]} is not an integer.")


def _check_value(value: Any) -> None:
    pending = [value]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            for key in node:
                if not isinstance(key, str) or not key.isascii() or "\0" in key:
                    raise ValueError(f"the key {key!r} is not ASCII without U+0000")
            pending.extend(node.values())
        elif isinstance(node, list | tuple):
            pending.extend(node)
        elif isinstance(node, str):
            if "\0" in node:
                raise ValueError("a string holds the character U+0000")
        elif isinstance(node, int):
            if abs(node) > MAX_SAFE_INTEGER:
                raise ValueError(f"the integer {node} is beyond 2⁵³ − 1")
        elif node is not None:
            raise ValueError(f"{node!r} is not a string, integer, boolean, null, list or object")
