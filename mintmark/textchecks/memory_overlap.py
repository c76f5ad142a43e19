"""How much of an assistant's memory an output contains, measured by words."""

import re

MAX_CHARACTERS = 200_000
"""A text is truncated here before its words are counted, so that a huge one costs no more than this."""

_WORD = re.compile(r"\w+")
_MIN_LETTERS = 4


def compute_overlap(memory: str, output: str) -> float:
    """The share, in [0, 1], of a memory's distinct words that an output contains, ignoring case.

    Words are runs of letters and digits. Those of fewer than four letters without a digit are ignored, since every text
    has them, unless the memory has no others. 0 for a memory without words.
    """
    memory_words = _extract_words(memory)
    informative_words = {
        word for word in memory_words if len(word) >= _MIN_LETTERS or _has_digit(word)
    } or memory_words
    if not informative_words:
        return 0.0
    return len(informative_words & _extract_words(output)) / len(informative_words)


def _extract_words(text: str) -> set[str]:
    return set(_WORD.findall(text[:MAX_CHARACTERS].casefold()))


def _has_digit(word: str) -> bool:
    return any(character.isdigit() for character in word)
