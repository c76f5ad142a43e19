"""How much of what an assistant remembers is in what it said, plainly: by words."""

import re

MOST_CHARACTERS = 200_000
"""A text is cut here before its words are counted, so that a huge one costs no more than this."""

_WORD = re.compile(r"\w+")
_LEAST_LETTERS = 4


def share(memory: str, output: str) -> float:
    """The share of a memory's words that an output holds, case aside, each distinct word once.

    Words are runs of letters and digits; those of fewer than four letters that hold no digit are passed over, since
    every text has them, unless the memory has no others. 0 for a memory without words.
    """
    words = _words(memory)
    telling = {word for word in words if len(word) >= _LEAST_LETTERS or _has_digit(word)} or words
    if not telling:
        return 0.0
    return len(telling & _words(output)) / len(telling)


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text[:MOST_CHARACTERS].casefold()))


def _has_digit(word: str) -> bool:
    return any(character.isdigit() for character in word)
