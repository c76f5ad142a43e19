"""Texts from elsewhere as they are shown: escaped, in parts, with what a reader would not see made visible."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from mintmark.core import unicode
from mintmark.core.screening import Mark

SHOWN, AT_ONCE = 3_000, 50_000
"""How many characters of a text are shown among others, and at once where it is shown by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A stretch of a text: as it is, or (`hidden`) one character that nobody sees, told by number and name; `mark`
    says what a pattern found there."""

    text: str
    hidden: bool = False
    mark: str = ""


def parts(
    text: str, *, marks: Sequence[Mark] = (), start: int = 0, most: int = AT_ONCE
) -> list[Part]:
    """`most` characters of a text from `start` on, cut where something is to be pointed out."""
    return list(_joined(_cut(text[start : start + most], marks, start=start)))


def _cut(text: str, marks: Sequence[Mark], *, start: int) -> Iterator[Part]:
    hidden = {place.offset: place for place in unicode.hidden(text)}
    spans = _apart(marks, start=start, end=len(text))
    edges = {0, len(text), *hidden, *(n + 1 for n in hidden), *(n for span in spans for n in span)}
    names = iter(spans.items())
    span, name = next(names, ((len(text), len(text)), ""))
    for first, last in pairwise(sorted(edges)):
        while span[1] <= first < len(text) and span[0] < len(text):
            span, name = next(names, ((len(text), len(text)), ""))
        place = hidden.get(first)
        if place is not None:
            yield Part(text=f"U+{place.code_point:04X} {place.name}", hidden=True)
        else:
            yield Part(text=text[first:last], mark=name if span[0] <= first else "")


def _joined(cut: Iterator[Part]) -> Iterator[Part]:
    """One part for the same hidden character over and over."""
    before: Part | None = None
    times = 0
    for part in cut:
        if before is not None and part.hidden and part == before:
            times += 1
            continue
        if before is not None:
            yield _times(before, times)
        before, times = part, 1
    if before is not None:
        yield _times(before, times)


def _times(part: Part, times: int) -> Part:
    return part if times == 1 else Part(text=f"{part.text} × {times:,}", hidden=True)


def _apart(marks: Sequence[Mark], *, start: int, end: int) -> dict[tuple[int, int], str]:
    """Where marks stand from `start` on, as spans that don't overlap: of two that do, the first is shown."""
    spans: dict[tuple[int, int], str] = {}
    after = 0
    for mark in marks:
        first, last = mark.offset - start, min(mark.offset - start + mark.length, end)
        if after <= first < last:
            spans[first, last] = mark.name
            after = last
    return spans
