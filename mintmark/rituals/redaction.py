"""What of an output is kept: without what looks like a secret, and no longer than a person reads."""

import functools
from collections.abc import Sequence

from mintmark.core import leaks

MOST_KEPT = 20_000
"""Characters of an output that are kept."""

REPEATED = "[of the prompt's text]"

LEAST_REPEATED = 32
"""Characters in a row of a prompt's text that are left out where an output repeats them."""

_LEAST_SECRET = 8


def kept(text: str, *, secrets: Sequence[str] = (), prompt: str = "") -> str:
    """An output as it may be stored: `secrets` (keys that were sent along), what looks like one and what repeats the
    text of `prompt` told by what it is, the rest cut with a mark.

    Outputs are read as long as they are kept, by a team that may lose the prompt meanwhile.
    """
    # What is cut is looked through as well a little beyond the cut, lest half a key remain.
    text = text[: 2 * MOST_KEPT]
    for secret in secrets:
        if len(secret) >= _LEAST_SECRET:
            text = text.replace(secret, "[the endpoint's key]")
    text = _without(leaks.redacted(text), prompt)
    return text if len(text) <= MOST_KEPT else text[: MOST_KEPT - 1] + "…"


def _without(text: str, prompt: str) -> str:
    """A text without the runs of characters that stand in a prompt's text as well."""
    grams = _grams(prompt)
    if not grams:
        return text
    parts, after, start, end = [], 0, -1, -1
    for at in range(len(text) - LEAST_REPEATED + 1):
        if text[at : at + LEAST_REPEATED] not in grams:
            continue
        if at > end >= 0:
            parts += [text[after:start], REPEATED]
            after, start = end, at
        start = at if start < 0 else start
        end = at + LEAST_REPEATED
    if start >= 0:
        parts += [text[after:start], REPEATED]
        after = end
    return "".join([*parts, text[after:]])


@functools.lru_cache(maxsize=2)
def _grams(prompt: str) -> frozenset[str]:
    """All of `LEAST_REPEATED` characters in a row of a prompt's text."""
    return frozenset(
        prompt[at : at + LEAST_REPEATED] for at in range(len(prompt) - LEAST_REPEATED + 1)
    )
