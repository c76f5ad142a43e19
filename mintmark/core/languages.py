"""The language of a text, by a fixed model (py3langid: naive Bayes over byte n-grams, 140 languages; no chance in it).

What it can't do: tell a few words (below `FEWEST_LETTERS` it says nothing), tell near relatives apart with certainty
(`no` and `nn`, `hr` and `bs`, `zh` and `wuu`: name them all), or see a second language in a text that is mostly in one.
"""

import functools
from typing import Any

FEWEST_LETTERS = 20
LONGEST = 10_000
"""Letters that a text needs, and characters from its beginning that are read."""
SURE = 0.8
"""A probability from which a language is taken as told."""


def known() -> frozenset[str]:
    """The codes (ISO 639) of the languages that can be told."""
    return frozenset(_identifier().labels) - {"zxx"}


def likely(text: str) -> dict[str, float]:
    """Languages by their probability, the likeliest first; nothing where there are too few letters."""
    read = text[:LONGEST]
    if sum(map(str.isalpha, read)) < FEWEST_LETTERS:
        return {}
    return {str(code): float(share) for code, share in _identifier().rank(read)}


@functools.cache
def _identifier() -> Any:
    # Loaded when first asked: the model takes half a second and 100 MB.
    from py3langid import langid

    return langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE, norm_probs=True)
