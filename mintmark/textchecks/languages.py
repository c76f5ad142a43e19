"""The language of a text, by a fixed model (py3langid: naive Bayes over byte n-grams, 140 languages; deterministic).

Limits: it can't identify a few words (below `MIN_LETTERS` letters it gives no answer), it can't reliably separate close
relatives (no and nn, hr and bs, zh and wuu: name them all), and it does not see a second language in a text that is
mostly in one.
"""

import functools
from typing import Any

MIN_LETTERS = 20
MAX_CHARACTERS = 10_000
"""Letters that a text needs, and characters from its beginning that are read."""
MIN_PROBABILITY = 0.8
"""The probability from which a language counts as identified."""


def list_languages() -> frozenset[str]:
    """The codes (ISO 639) of the languages that can be identified."""
    return frozenset(_load_identifier().labels) - {"zxx"}


def rank_languages(text: str) -> dict[str, float]:
    """Languages by their probability, the most likely first; empty for too few letters."""
    sample = text[:MAX_CHARACTERS]
    if sum(map(str.isalpha, sample)) < MIN_LETTERS:
        return {}
    return {str(code): float(share) for code, share in _load_identifier().rank(sample)}


@functools.cache
def _load_identifier() -> Any:
    # Loaded when first needed: the model takes half a second and 100 MB.
    from py3langid import langid

    return langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE, norm_probs=True)
