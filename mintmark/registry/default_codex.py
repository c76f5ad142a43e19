"""The codex that every installation starts with, and that binds every prompt and every output."""

from collections.abc import Mapping, Sequence
from typing import Any

NAME = "default"
DESCRIPTION = "What every prompt and every output keeps: nothing hidden, nothing secret, nothing left unfilled."

CLAUSES: Sequence[Mapping[str, Any]] = (
    {
        "id": "no-hidden-unicode",
        "text": "A prompt hides no characters from its reader.",
        "severity": "block",
        "applies_to": "prompt",
        "check": {"kind": "no-hidden-unicode"},
    },
    {
        "id": "no-secrets",
        "text": "A prompt shows no key and no token.",
        "severity": "block",
        "applies_to": "prompt",
        "check": {"kind": "no-secrets"},
    },
    {
        "id": "no-unfilled-variables",
        "text": "A prompt at work has a value for each of its variables.",
        "severity": "warn",
        "applies_to": "prompt",
        "check": {"kind": "no-unfilled-variables"},
    },
    {
        "id": "output-no-hidden-unicode",
        "text": "An output hides no characters from its reader.",
        "severity": "block",
        "applies_to": "output",
        "check": {"kind": "no-hidden-unicode"},
    },
    {
        "id": "output-no-secrets",
        "text": "An output shows no key and no token.",
        "severity": "block",
        "applies_to": "output",
        "check": {"kind": "no-secrets"},
    },
    {
        "id": "output-no-unfilled-variables",
        "text": "An output repeats no variable of its prompt unfilled.",
        "severity": "block",
        "applies_to": "output",
        "check": {"kind": "no-unfilled-variables"},
    },
)
