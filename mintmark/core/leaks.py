"""Secrets that stand in a text: where they are, whole, and the text without them."""

from dataclasses import dataclass

from . import screening

_KEY = "a private key"
_KEY_END = "-----END "
_LONGEST_KEY = 20_000
# What a token goes on with, after the first characters that make it known.
_TOKEN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """What looks like a secret: in words what it is, and its place (offsets, the end excluded)."""

    name: str
    start: int
    end: int


def found(text: str) -> list[Leak]:
    """Everything in a text that looks like a secret (`screening` has the patterns), in order, none within another."""
    leaks: list[Leak] = []
    for mark in screening.marks(text, most=len(text) + 1, kind=screening.SECRET):
        if leaks and mark.offset < leaks[-1].end:
            continue
        leaks.append(Leak(name=mark.name, start=mark.offset, end=_end(text, mark)))
    return leaks


def redacted(text: str) -> str:
    """A text with what looks like a secret replaced by what it is, such as `[a GitHub token]`."""
    parts, after = [], 0
    for leak in found(text):
        parts += [text[after : leak.start], f"[{leak.name}]"]
        after = leak.end
    return "".join([*parts, text[after:]])


def _end(text: str, mark: screening.Mark) -> int:
    end = mark.offset + mark.length
    if mark.name == _KEY:
        furthest = min(len(text), end + _LONGEST_KEY)
        closing = text.find(_KEY_END, end, furthest)
        line_end = text.find("\n", closing) if closing >= 0 else -1
        return line_end if line_end >= 0 else furthest
    while end < len(text) and text[end] in _TOKEN:
        end += 1
    return end
