"""What of an output is kept: without what looks like a secret, and no longer than a person reads."""

import functools
from collections.abc import Sequence

from mintmark.textchecks import secret_scan

MAX_OUTPUT_LENGTH = 20_000
"""Characters of an output that are kept."""

REPEATED_MARK = "[of the prompt's text]"

MIN_REPEATED_LENGTH = 32
"""Characters in a row of a prompt's text that are left out where an output repeats them."""

_MIN_SECRET_LENGTH = 8


def redact(text: str, *, secrets: Sequence[str] = (), prompt: str = "") -> str:
    """An output as it may be stored: `secrets` (keys that were sent along), what looks like one and what repeats the
    text of `prompt` told by what it is, the rest cut with a mark.

    Outputs are read as long as they are kept, by a team that may lose the prompt meanwhile.
    """
    # What is cut is looked through as well a little beyond the cut, lest half a key remain.
    text = text[: 2 * MAX_OUTPUT_LENGTH]
    for secret in secrets:
        if len(secret) >= _MIN_SECRET_LENGTH:
            text = text.replace(secret, "[the endpoint's key]")
    text = _remove_repeated(secret_scan.redact(text), prompt)
    return text if len(text) <= MAX_OUTPUT_LENGTH else text[: MAX_OUTPUT_LENGTH - 1] + "…"


def _remove_repeated(text: str, prompt: str) -> str:
    """A text without the runs of characters that stand in a prompt's text as well."""
    grams = _build_grams(prompt)
    if not grams:
        return text
    pieces, copied_until, start, end = [], 0, -1, -1
    for index in range(len(text) - MIN_REPEATED_LENGTH + 1):
        if text[index : index + MIN_REPEATED_LENGTH] not in grams:
            continue
        if index > end >= 0:
            pieces += [text[copied_until:start], REPEATED_MARK]
            copied_until, start = end, index
        start = index if start < 0 else start
        end = index + MIN_REPEATED_LENGTH
    if start >= 0:
        pieces += [text[copied_until:start], REPEATED_MARK]
        copied_until = end
    return "".join([*pieces, text[copied_until:]])


@functools.lru_cache(maxsize=2)
def _build_grams(prompt: str) -> frozenset[str]:
    """All of `LEAST_REPEATED` characters in a row of a prompt's text."""
    return frozenset(
        prompt[index : index + MIN_REPEATED_LENGTH]
        for index in range(len(prompt) - MIN_REPEATED_LENGTH + 1)
    )
