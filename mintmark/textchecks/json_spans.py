"""Find where a value is in a JSON text."""

import json
from collections.abc import Sequence

_DECODER = json.JSONDecoder()
_SPACE = " \t\n\r"


def find_span(text: str, path: Sequence[str | int]) -> tuple[int, int] | None:
    """The span (offsets, the end excluded) of the value at `path` in a JSON text; None if there is none.

    If a key is duplicated, the last one counts, as for `json.loads`. Takes one pass for each step of the path.
    """
    offset = _skip_spaces(text, 0)
    try:
        for step in path:
            offset = (
                _find_member(text, offset, step)
                if isinstance(step, str)
                else _find_item(text, offset, step)
            )
            if offset < 0:
                return None
        return offset, _DECODER.raw_decode(text, offset)[1]
    except (ValueError, IndexError, RecursionError):
        return None


def _find_member(text: str, offset: int, name: str) -> int:
    value_offset = -1
    if text[offset] != "{":
        return value_offset
    offset = _skip_spaces(text, offset + 1)
    while text[offset] != "}":
        key, after = _DECODER.raw_decode(text, offset)
        offset = _skip_spaces(text, _skip_spaces(text, after) + 1)  # past the colon
        if key == name:
            value_offset = offset
        offset = _skip_value(text, offset)
    return value_offset


def _find_item(text: str, offset: int, number: int) -> int:
    if text[offset] != "[":
        return -1
    offset = _skip_spaces(text, offset + 1)
    while number and text[offset] != "]":
        offset, number = _skip_value(text, offset), number - 1
    return offset if text[offset] != "]" else -1


def _skip_value(text: str, offset: int) -> int:
    """The offset after a value, and after the comma if one follows."""
    after = _skip_spaces(text, _DECODER.raw_decode(text, offset)[1])
    return _skip_spaces(text, after + 1) if text[after] == "," else after


def _skip_spaces(text: str, offset: int) -> int:
    while offset < len(text) and text[offset] in _SPACE:
        offset += 1
    return offset
