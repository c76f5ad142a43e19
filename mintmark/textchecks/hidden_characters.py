"""Characters that a reader does not see and a model does."""

import unicodedata
from dataclasses import dataclass

# Joiners that change how visible text is drawn: part of emoji, and of Arabic and Indic writing between letters.
_JOINERS = {0x200C, 0x200D}
_VARIATION_SELECTORS = range(0xFE00, 0xFE10)
_BYTE_ORDER_MARK = 0xFEFF
# File, group, record and unit separators: they separate several files kept in one text.
_SEPARATORS = "\x1c\x1d\x1e\x1f"


@dataclass(frozen=True, kw_only=True)
class HiddenCharacter:
    """One hidden character: its code point, its name, and its position (line and column from 1)."""

    code_point: int
    name: str
    line: int
    column: int
    offset: int


def find_hidden(text: str, *, limit: int | None = None) -> list[HiddenCharacter]:
    """Every hidden character of `text` (at most `limit`), in order: format characters (Cf: zero-width, bidirectional
    controls, tag characters), control characters but tab, line ends and separators, private use, surrogates.

    Not reported, as they belong to ordinary writing: joiners that directly follow a visible non-ASCII character,
    variation selectors, and a byte order mark at the very start.
    """
    if text.isascii() and text.isprintable():
        return []
    hidden_characters: list[HiddenCharacter] = []
    line_number, start = 1, 0
    for offset, character in enumerate(text):
        if character == "\n":
            line_number, start = line_number + 1, offset + 1
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
        hidden_characters.append(
            HiddenCharacter(
                code_point=code,
                name=unicodedata.name(character, "a control character"),
                line=line_number,
                column=offset - start + 1,
                offset=offset,
            )
        )
        if len(hidden_characters) == limit:
            break
    return hidden_characters


def make_visible(text: str) -> str:
    """A text with each hidden character replaced by its code point, such as `⟨U+200B⟩`."""
    pieces = []
    after = 0
    for hidden_character in find_hidden(text):
        pieces += [text[after : hidden_character.offset], f"⟨U+{hidden_character.code_point:04X}⟩"]
        after = hidden_character.offset + 1
    return "".join([*pieces, text[after:]])
