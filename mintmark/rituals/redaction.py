"""What is stored of an output: without anything that looks like a secret, and truncated."""

import functools
from collections.abc import Sequence

from mintmark.textchecks import secret_scan

MAX_OUTPUT_LENGTH = 20_000
"""How many characters of an output are stored."""

REPEATED_MARK = "[of the prompt's text]"

MIN_REPEATED_LENGTH = 32
"""How many characters in a row of a prompt's text are removed where an output repeats them."""

_MIN_SECRET_LENGTH = 8


def redact(text: str, *, secrets: Sequence[str] = (), prompt: str = "") -> str:
    """An output as it may be stored: `secrets` (keys that were sent along), anything that looks like a secret, and
    passages of `prompt` are each replaced by a mark that names them; the rest is truncated, with a mark.

    A team can read stored outputs even after it lost access to the prompt, so the prompt's text must not be in them.
    """
    # Search a little beyond the cut as well, so that half a key can't remain at the end.
    text = text[: 2 * MAX_OUTPUT_LENGTH]
    for secret in secrets:
        if len(secret) >= _MIN_SECRET_LENGTH:
            text = text.replace(secret, "[the endpoint's key]")
    text = _remove_repeated(secret_scan.redact(text), prompt)
    return text if len(text) <= MAX_OUTPUT_LENGTH else text[: MAX_OUTPUT_LENGTH - 1] + "…"


def _remove_repeated(text: str, prompt: str) -> str:
    """A text without the passages that it shares with a prompt's text."""
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
    """Every sequence of `MIN_REPEATED_LENGTH` characters of a prompt's text."""
    return frozenset(
        prompt[index : index + MIN_REPEATED_LENGTH]
        for index in range(len(prompt) - MIN_REPEATED_LENGTH + 1)
    )
