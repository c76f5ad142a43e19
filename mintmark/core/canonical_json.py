"""JSON with one spelling: RFC 8785, of objects with ASCII keys, strings, integers, booleans and null.

Fractions are left out: they are where implementations of canonical JSON differ, and nothing here needs them. Without
them the standard library's sorted, compact, unescaped form is exactly RFC 8785.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from mintmark.core import errors

SAFE = 2**53 - 1
"""The largest integer that every reader of JSON keeps exactly (RFC 7493)."""
_CHUNK = 1 << 20
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_LONGEST_INTEGER = 17


class BadJson(errors.Refusal):
    """Bytes that are no JSON as it is kept here, or more of it than is taken. `code` says which."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code  # type: ignore[misc]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much is taken: `size` in bytes, `depth` in open brackets, `values` in brackets and commas outside strings."""

    size: int
    depth: int
    values: int


def dumps(value: Any) -> bytes:
    """The one spelling of a value. A fraction, an integer beyond 2⁵³ − 1, a key that is not ASCII or half a surrogate
    pair is a ValueError."""
    _check(value)
    return respelled(value)


def respelled(value: Any) -> bytes:
    """The same for what `parsed` returned, which needs no look at every part again."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def parsed(raw: bytes, *, limits: Limits) -> Any:
    """The value that these bytes spell, in whatever spelling; time and memory are bounded by `limits`.

    Refused with `BadJson`: `too_large`, `too_deep`, `too_many_values`, `invalid_utf8`, `invalid_json`, `invalid_key`,
    `duplicate_key`, `not_an_integer` (NaN, infinities and fractions), `integer_too_large`.
    """
    check_size(raw, limits=limits)
    _measure(raw, limits=limits)
    try:
        text = raw.decode()
    except UnicodeDecodeError as bad:
        raise BadJson("invalid_utf8", f"Byte {bad.start} is not UTF-8.") from None
    if text.startswith("\ufeff"):
        raise BadJson("invalid_json", "It begins with a byte order mark: save it without one.")
    try:
        value = json.loads(
            text,
            object_pairs_hook=_once,
            parse_int=_integer,
            parse_float=_no_fraction,
            parse_constant=_no_fraction,
        )
        if _SURROGATE.search(text):
            respelled(value)
        return value
    except UnicodeEncodeError:
        raise BadJson(
            "invalid_utf8", "It spells half a surrogate pair, which is no character."
        ) from None
    except json.JSONDecodeError as bad:
        raise BadJson("invalid_json", f"It is no JSON: {bad.msg} at character {bad.pos}.") from None
    except RecursionError:
        raise BadJson("too_deep", "It is nested too deeply.") from None


def check_size(raw: bytes, *, limits: Limits) -> None:
    """Refuse what is longer than is taken."""
    if len(raw) > limits.size:
        raise BadJson("too_large", f"It has {len(raw):,} bytes, and {limits.size:,} are taken.")


def _measure(raw: bytes, *, limits: Limits) -> None:
    """Count nesting and values on the bytes, a chunk at a time, before a parser makes objects of them."""
    inside, depth, values, escaped = False, 0, 0, False
    for start in range(0, len(raw), _CHUNK):
        chunk = raw[start : start + _CHUNK]
        if escaped:
            chunk = b" " + chunk[1:]
        bare = chunk.replace(b"\\\\", b"  ")
        escaped = bare.endswith(b"\\")
        codes = np.frombuffer(bare.replace(b'\\"', b"  "), dtype=np.uint8)
        quotes = codes == 0x22
        within = (np.cumsum(quotes, dtype=np.int64) + inside) % 2 == 1
        inside = bool(within[-1])
        outside = ~within & ~quotes
        opening = outside & ((codes == 0x5B) | (codes == 0x7B))
        closing = outside & ((codes == 0x5D) | (codes == 0x7D))
        values += int(np.count_nonzero(opening)) + int(np.count_nonzero(outside & (codes == 0x2C)))
        depths = np.cumsum(opening.astype(np.int32) - closing.astype(np.int32)) + depth
        deepest, depth = int(depths.max()), int(depths[-1])
        if deepest > limits.depth:
            raise BadJson("too_deep", f"It is nested more than {limits.depth} deep.")
        if values > limits.values:
            raise BadJson("too_many_values", f"It has more than {limits.values:,} values.")


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise BadJson("duplicate_key", f"The key {twice[:60]!r} stands twice in one object.")
    if not "".join(found).isascii():
        odd = next(key for key in found if not key.isascii())
        raise BadJson("invalid_key", f"The key {odd[:60]!r} is not ASCII.")
    return found


def _integer(text: str) -> int:
    if len(text) > _LONGEST_INTEGER or abs(int(text)) > SAFE:
        raise BadJson("integer_too_large", f"The integer {text[:40]} is beyond 2⁵³ − 1.")
    return int(text)


def _no_fraction(text: str) -> NoReturn:
    raise BadJson("not_an_integer", f"The number {text[:40]} is no integer.")


def _check(value: Any) -> None:
    waiting = [value]
    while waiting:
        at = waiting.pop()
        if isinstance(at, dict):
            for key in at:
                if not isinstance(key, str) or not key.isascii():
                    raise ValueError(f"the key {key!r} is not ASCII")
            waiting.extend(at.values())
        elif isinstance(at, list | tuple):
            waiting.extend(at)
        elif isinstance(at, int):
            if abs(at) > SAFE:
                raise ValueError(f"the integer {at} is beyond 2⁵³ − 1")
        elif at is not None and not isinstance(at, str):
            raise ValueError(f"{at!r} is no string, integer, boolean, null, list or object")
