"""Where in a JSON text a value stands."""

import json
from collections.abc import Sequence

_DECODER = json.JSONDecoder()
_SPACE = " \t\n\r"


def span(text: str, path: Sequence[str | int]) -> tuple[int, int] | None:
    """The place (offsets, the end excluded) of the value that `path` leads to, in a text that is JSON; None if to none.

    Of a key that stands twice the last counts, as it does for `json.loads`. One pass a step of the path.
    """
    at = _spaces(text, 0)
    try:
        for step in path:
            at = _member(text, at, step) if isinstance(step, str) else _item(text, at, step)
            if at < 0:
                return None
        return at, _DECODER.raw_decode(text, at)[1]
    except (ValueError, IndexError, RecursionError):
        return None


def _member(text: str, at: int, name: str) -> int:
    found = -1
    if text[at] != "{":
        return found
    at = _spaces(text, at + 1)
    while text[at] != "}":
        key, after = _DECODER.raw_decode(text, at)
        at = _spaces(text, _spaces(text, after) + 1)  # past the colon
        if key == name:
            found = at
        at = _next(text, at)
    return found


def _item(text: str, at: int, number: int) -> int:
    if text[at] != "[":
        return -1
    at = _spaces(text, at + 1)
    while number and text[at] != "]":
        at, number = _next(text, at), number - 1
    return at if text[at] != "]" else -1


def _next(text: str, at: int) -> int:
    """Past a value, and past the comma if one follows."""
    after = _spaces(text, _DECODER.raw_decode(text, at)[1])
    return _spaces(text, after + 1) if text[after] == "," else after


def _spaces(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at
