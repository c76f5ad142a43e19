"""Which part of one text another holds, by the words that follow each other in both.

A text is a set of shingles: runs of three words, without case, punctuation and blanks. The *containment* of A in B is
the share of A's shingles that B has: 1 for a text in a wrapper, near 1 for one with a few words changed (Broder 1997).
A sketch is the smallest hashes of a text's shingles: whoever looks up all shingles of a new text among stored sketches
finds the texts that it holds, in time that does not depend on how many are stored.
"""

import hashlib
import re

WORDS = 3
SKETCH_SIZE = 16
MIN_SHINGLES = 8
"""Of a text with fewer, too little is known to call another a copy of it."""

MAX_SHINGLES = 20_000
_WORD = re.compile(r"\w+")


def compute_shingles(text: str) -> frozenset[int]:
    """The hashes of a text's shingles, as 63-bit numbers; of at most `MAX_SHINGLES` shingles from its beginning."""
    words = _WORD.findall(text.casefold())[: MAX_SHINGLES + WORDS - 1]
    return frozenset(
        _hash(" ".join(words[start : start + WORDS]))
        for start in range(max(0, len(words) - WORDS + 1))
    )


def choose_sketch(shingles: frozenset[int]) -> list[int]:
    """The `SKETCH_SIZE` smallest hashes; none of a text that is too short to be recognised."""
    return sorted(shingles)[:SKETCH_SIZE] if len(shingles) >= MIN_SHINGLES else []


def compute_containment(part: frozenset[int], whole: frozenset[int]) -> float:
    """The share in [0, 1] of the shingles of `part` that `whole` has; 0 for a part without any."""
    return len(part & whole) / len(part) if part else 0.0


def _hash(shingle: str) -> int:
    digest = hashlib.blake2b(shingle.encode(errors="replace"), digest_size=8).digest()
    return int.from_bytes(digest) >> 1
