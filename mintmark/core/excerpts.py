"""A few characters around a place of a text, as a person may see them."""

from . import leaks, unicode

LONGEST = 80
_CUT = "…"
# How far before and after an excerpt is looked for a secret that reaches into it.
_LOOK_BACK, _LOOK_AHEAD = 20_000, 1_000
_ONE_LINE = str.maketrans({"\n": "⏎", "\r": "⏎", "\t": " ", "\v": " ", "\f": " "})


def around(text: str, span: tuple[int, int]) -> str:
    """At most `LONGEST` characters of a text around a span, on one line, cut ends marked.

    Hidden characters show as their code points; what looks like a secret as what it is (`leaks`).
    """
    start, end = span
    room = max(0, LONGEST - 2 - (end - start))
    while True:
        shown = _window(text, max(0, start - room // 2), min(len(text), end + room // 2))
        if len(shown) <= LONGEST:
            return shown
        if room == 0:
            return shown[: LONGEST - 1].rstrip(_CUT) + _CUT
        room //= 2


def _window(text: str, first: int, last: int) -> str:
    last = min(last, first + 4 * LONGEST)
    offset = max(0, first - _LOOK_BACK)
    near = text[offset : last + _LOOK_AHEAD]
    parts, after = [], first - offset
    for leak in leaks.found(near):
        if leak.end <= after or leak.start >= last - offset:
            continue
        parts += [_visible(near[after : leak.start]), f"[{leak.name}]"]
        after = leak.end
    parts.append(_visible(near[after : last - offset]))
    return (_CUT if first else "") + "".join(parts) + (_CUT if last < len(text) else "")


def _visible(part: str) -> str:
    # After a letter, since a byte order mark counts as none only at the very start of a text.
    return unicode.made_visible(f"x{part}")[1:].translate(_ONE_LINE)
