"""Texts from elsewhere as they are shown: escaped, in parts, with what a reader would not see made visible."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from mintmark.textchecks import hidden_characters
from mintmark.textchecks.injection_scan import ScanHit

EXCERPT_LENGTH, MAX_LENGTH = 3_000, 50_000
"""How many characters of a text are shown among others, and at once where it is shown by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextSegment:
    """A stretch of a text: as it is, or (`hidden`) one character that nobody sees, told by number and name; `mark`
    says what a pattern found there."""

    text: str
    hidden: bool = False
    mark: str = ""


def split_marked(
    text: str, *, marks: Sequence[ScanHit] = (), start: int = 0, max_length: int = MAX_LENGTH
) -> list[TextSegment]:
    """`most` characters of a text from `start` on, cut where something is to be pointed out."""
    return list(_merge_repeats(_split(text[start : start + max_length], marks, start=start)))


def _split(text: str, marks: Sequence[ScanHit], *, start: int) -> Iterator[TextSegment]:
    hidden = {character.offset: character for character in hidden_characters.find_hidden(text)}
    spans = _drop_overlaps(marks, start=start, end=len(text))
    edges = {0, len(text), *hidden, *(n + 1 for n in hidden), *(n for span in spans for n in span)}
    names = iter(spans.items())
    span, name = next(names, ((len(text), len(text)), ""))
    for first, last in pairwise(sorted(edges)):
        while span[1] <= first < len(text) and span[0] < len(text):
            span, name = next(names, ((len(text), len(text)), ""))
        character = hidden.get(first)
        if character is not None:
            yield TextSegment(text=f"U+{character.code_point:04X} {character.name}", hidden=True)
        else:
            yield TextSegment(text=text[first:last], mark=name if span[0] <= first else "")


def _merge_repeats(segments: Iterator[TextSegment]) -> Iterator[TextSegment]:
    """One part for the same hidden character over and over."""
    previous: TextSegment | None = None
    repeats = 0
    for segment in segments:
        if previous is not None and segment.hidden and segment == previous:
            repeats += 1
            continue
        if previous is not None:
            yield _format_repeated(previous, repeats)
        previous, repeats = segment, 1
    if previous is not None:
        yield _format_repeated(previous, repeats)


def _format_repeated(segment: TextSegment, repeats: int) -> TextSegment:
    return (
        segment if repeats == 1 else TextSegment(text=f"{segment.text} × {repeats:,}", hidden=True)
    )


def _drop_overlaps(marks: Sequence[ScanHit], *, start: int, end: int) -> dict[tuple[int, int], str]:
    """Where marks stand from `start` on, as spans that don't overlap: of two that do, the first is shown."""
    spans: dict[tuple[int, int], str] = {}
    after = 0
    for mark in marks:
        first, last = mark.offset - start, min(mark.offset - start + mark.length, end)
        if after <= first < last:
            spans[first, last] = mark.name
            after = last
    return spans
