"""How similar the wording of two texts is: the cosine of their counts of character trigrams.

Damashek 1995, "Gauging Similarity with n-Grams", Science 267. It sees shared words and stems in any language with
letters, and no meaning: a paraphrase in other words is unlike, a negation is alike.
"""

import math
import unicodedata
from collections import Counter
from collections.abc import Sequence

_LENGTH = 3


def cosine(text: str, other_text: str) -> float:
    """The similarity in [0, 1]: 1 for texts that differ only in case, spaces and punctuation, 0 where nothing is
    shared.

    A text without letters and digits is similar only to another such text.
    """
    return _cosine_of_counts(count_trigrams(text), count_trigrams(other_text))


def cosines(text: str, other_texts: Sequence[str]) -> list[float]:
    """The similarity of one text to each of the others."""
    counts = count_trigrams(text)
    return [_cosine_of_counts(counts, count_trigrams(other_text)) for other_text in other_texts]


def count_trigrams(text: str) -> Counter[str]:
    """The counts of the character trigrams of a text: letters and digits only, with a space around each word."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    words = "".join(character if character.isalnum() else " " for character in folded).split()
    if not words:
        return Counter()
    padded = f" {' '.join(words)} "
    return Counter(padded[n : n + _LENGTH] for n in range(len(padded) - _LENGTH + 1))


def _cosine_of_counts(left: Counter[str], right: Counter[str]) -> float:
    if not left or not right:
        return float(left == right)
    if left == right:
        return 1.0
    smaller, larger = (left, right) if len(left) <= len(right) else (right, left)
    shared = sum(count * larger[gram] for gram, count in smaller.items() if gram in larger)
    return min(1.0, shared / math.sqrt(_sum_squares(left) * _sum_squares(right)))


def _sum_squares(counts: Counter[str]) -> int:
    return sum(count * count for count in counts.values())
