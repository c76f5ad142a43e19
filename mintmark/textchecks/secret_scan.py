"""Secrets in a text: where they are in full, and the text without them."""

from dataclasses import dataclass

from . import injection_scan

_PRIVATE_KEY = "a private key"
_PRIVATE_KEY_END = "-----END "
_MAX_PRIVATE_KEY_CHARACTERS = 20_000
# How a token goes on after the first characters that identify it.
_TOKEN_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """What looks like a secret: its kind in words, and its span (offsets, the end excluded)."""

    name: str
    start: int
    end: int


def find_secrets(text: str) -> list[Leak]:
    """Everything in a text that looks like a secret (patterns: `injection_scan`), in order, none within another."""
    leaks: list[Leak] = []
    for mark in injection_scan.scan(text, limit=len(text) + 1, kind=injection_scan.SECRET):
        if leaks and mark.offset < leaks[-1].end:
            continue
        leaks.append(Leak(name=mark.name, start=mark.offset, end=_find_end(text, mark)))
    return leaks


def redact(text: str) -> str:
    """A text with anything that looks like a secret replaced by its kind, such as `[a GitHub token]`."""
    pieces, after = [], 0
    for leak in find_secrets(text):
        pieces += [text[after : leak.start], f"[{leak.name}]"]
        after = leak.end
    return "".join([*pieces, text[after:]])


def _find_end(text: str, mark: injection_scan.ScanHit) -> int:
    end = mark.offset + mark.length
    if mark.name == _PRIVATE_KEY:
        furthest = min(len(text), end + _MAX_PRIVATE_KEY_CHARACTERS)
        closing = text.find(_PRIVATE_KEY_END, end, furthest)
        line_end = text.find("\n", closing) if closing >= 0 else -1
        return line_end if line_end >= 0 else furthest
    while end < len(text) and text[end] in _TOKEN_CHARACTERS:
        end += 1
    return end
