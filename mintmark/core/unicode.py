"""Characters that a reader does not see and a model does."""

import unicodedata
from dataclasses import dataclass

# Joiners that change how visible text is drawn: part of emoji, Arabic and Indic writing when between letters.
_JOINERS = {0x200C, 0x200D}
_VARIATION_SELECTORS = range(0xFE00, 0xFE10)
_BYTE_ORDER_MARK = 0xFEFF
# File, group, record and unit separators: how several files are kept in one text.
_SEPARATORS = "\x1c\x1d\x1e\x1f"


@dataclass(frozen=True, kw_only=True)
class Place:
    """One hidden character: its code point and name, and where it stands (line and column from 1)."""

    code_point: int
    name: str
    line: int
    column: int
    offset: int


def hidden(text: str, *, most: int | None = None) -> list[Place]:
    """Every hidden character of `text` (or the first `most`) in order: format characters (Cf: zero-width, bidirectional
    controls, tag characters), control characters but tab, line ends and separators, private use, surrogates.

    Not reported, as they belong to ordinary writing: joiners that directly follow a visible non-ASCII character,
    variation selectors, and a byte order mark at the very start.
    """
    if text.isascii() and text.isprintable():
        return []
    places: list[Place] = []
    line, start = 1, 0
    for offset, character in enumerate(text):
        if character == "\n":
            line, start = line + 1, offset + 1
            continue
        if character in "\t\r" or character in _SEPARATORS or character.isprintable():
            continue
        code = ord(character)
        if unicodedata.category(character) not in ("Cf", "Cc", "Co", "Cs"):
            continue
        if code in _VARIATION_SELECTORS or (code == _BYTE_ORDER_MARK and offset == 0):
            continue
        if (
            code in _JOINERS
            and offset
            and ord(text[offset - 1]) > 0x7F
            and text[offset - 1].isprintable()
        ):
            continue
        places.append(
            Place(
                code_point=code,
                name=unicodedata.name(character, "a control character"),
                line=line,
                column=offset - start + 1,
                offset=offset,
            )
        )
        if len(places) == most:
            break
    return places


def made_visible(text: str) -> str:
    """A text with each hidden character replaced by its code point, such as `⟨U+200B⟩`."""
    parts = []
    after = 0
    for place in hidden(text):
        parts += [text[after : place.offset], f"⟨U+{place.code_point:04X}⟩"]
        after = place.offset + 1
    return "".join([*parts, text[after:]])
