"""Short excerpts around a place in a text, safe to show to a person."""

from . import hidden_characters, secret_scan

MAX_CHARACTERS = 80
_ELLIPSIS = "…"
# How far before and after an excerpt to search for a secret that reaches into it.
_LOOK_BACK, _LOOK_AHEAD = 20_000, 1_000
_LINE_BREAK_MARKS = str.maketrans({"\n": "⏎", "\r": "⏎", "\t": " ", "\v": " ", "\f": " "})


def extract_around(text: str, span: tuple[int, int]) -> str:
    """At most 80 characters of a text around a span, on one line, with cut ends marked.

    Hidden characters are shown as their code points; anything that looks like a secret is replaced by its kind
    (`secret_scan`).
    """
    start, end = span
    room = max(0, MAX_CHARACTERS - 2 - (end - start))
    while True:
        excerpt = _cut_window(text, max(0, start - room // 2), min(len(text), end + room // 2))
        if len(excerpt) <= MAX_CHARACTERS:
            return excerpt
        if room == 0:
            return excerpt[: MAX_CHARACTERS - 1].rstrip(_ELLIPSIS) + _ELLIPSIS
        room //= 2


def _cut_window(text: str, first: int, last: int) -> str:
    last = min(last, first + 4 * MAX_CHARACTERS)
    offset = max(0, first - _LOOK_BACK)
    nearby_text = text[offset : last + _LOOK_AHEAD]
    pieces, after = [], first - offset
    for leak in secret_scan.find_secrets(nearby_text):
        if leak.end <= after or leak.start >= last - offset:
            continue
        pieces += [_make_visible(nearby_text[after : leak.start]), f"[{leak.name}]"]
        after = leak.end
    pieces.append(_make_visible(nearby_text[after : last - offset]))
    return (_ELLIPSIS if first else "") + "".join(pieces) + (_ELLIPSIS if last < len(text) else "")


def _make_visible(text: str) -> str:
    # Placed after a letter, since a byte order mark is only allowed at the very start of a text.
    return hidden_characters.make_visible(f"x{text}")[1:].translate(_LINE_BREAK_MARKS)
