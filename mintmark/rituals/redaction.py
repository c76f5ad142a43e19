"""What of an output is kept: without what looks like a secret, and no longer than a person reads."""

from collections.abc import Sequence

from mintmark.core import leaks

MOST_KEPT = 20_000
"""Characters of an output that are kept."""

_LEAST_SECRET = 8


def kept(text: str, *, secrets: Sequence[str] = ()) -> str:
    """An output as it may be stored: `secrets` (keys that were sent along) and what looks like one told by what it is,
    the rest cut with a mark."""
    # What is cut is looked through as well a little beyond the cut, lest half a key remain.
    text = text[: 2 * MOST_KEPT]
    for secret in secrets:
        if len(secret) >= _LEAST_SECRET:
            text = text.replace(secret, "[the endpoint's key]")
    text = leaks.redacted(text)
    return text if len(text) <= MOST_KEPT else text[: MOST_KEPT - 1] + "…"
