"""Warnings about a text from elsewhere that a person should see first: secrets, and phrases of prompt injection.

A short list of patterns, each linear in the text, since its repetitions are bounded. It finds what is careless or
crude. No finding proves nothing, and a finding may be innocent (a text about the subject).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

SECRET, INJECTION, TEMPLATE, EXFILTRATION = "secret", "injection", "template", "exfiltration"
"""The kinds of findings."""

_GAP = r"[\s,.:;'\"-]{1,20}"
_PATTERNS: tuple[tuple[str, str, re.Pattern[str]], ...] = tuple(
    (kind, name, re.compile(pattern))
    for kind, name, pattern in (
        (SECRET, "a private key", r"-----BEGIN (?:[A-Z]{2,10} ){0,2}PRIVATE KEY-----"),
        (SECRET, "an AWS access key", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}"),
        (SECRET, "a GitHub token", r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{22})"),
        (SECRET, "a key of a model's provider", r"\bsk-(?:[a-z]{2,10}-)?[A-Za-z0-9_]{20}"),
        (SECRET, "a Slack token", r"\bxox[abeprs]-[A-Za-z0-9-]{10}"),
        (SECRET, "a Google key", r"\bAIza[0-9A-Za-z_-]{35}"),
        (SECRET, "a Stripe key", r"\b[rs]k_live_[A-Za-z0-9]{16}"),
        (SECRET, "a key of Mintmark", r"\bmm_[0-9a-f]{8}_[A-Za-z0-9_-]{20}"),
        (SECRET, "a signed token (JWT)", r"\beyJ[\w-]{10,300}\.eyJ[\w-]{10,300}\.[\w-]{10}"),
        (
            TEMPLATE,
            "a mark of a chat template",
            r"<\|[a-z_]{2,24}\|>|\[/?INST\]|<</?SYS>>|</?(?:start|end)_of_turn>",
        ),
        (
            EXFILTRATION,
            "an address with a placeholder in it",
            r"\bhttps?://[^\s{}<>\"')\]]{1,300}\$?\{{1,2}[^{}\n]{1,64}\}",
        ),
    )
)
# What a text contains if the pattern matches: searched first, since most texts contain none of it.
_BEGINNINGS: dict[str, tuple[str, ...]] = {
    "a private key": ("-----BEGIN ",),
    "an AWS access key": ("AKIA", "ASIA"),
    "a GitHub token": ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
    "a key of a model's provider": ("sk-",),
    "a Slack token": ("xox",),
    "a Google key": ("AIza",),
    "a Stripe key": ("k_live_",),
    "a key of Mintmark": ("mm_",),
    "a signed token (JWT)": ("eyJ",),
    "a mark of a chat template": ("<|", "[INST]", "[/INST]", "<<", "_of_turn>"),
    "an address with a placeholder in it": ("http://", "https://"),
}
# Compared without regard to case; each begins with words that are searched first.
_PHRASES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(pattern.replace(" ", _GAP)))
    for name, pattern in (
        (
            "a call to drop earlier instructions",
            r"\b(?:ignore|disregard|forget|override|bypass)(?: (?:all|any|every|of|the|your|my|these|those)){0,4} "
            r"(?:previous|prior|above|earlier|preceding|existing|foregoing|system|safety)"
            r"(?: (?:and|or|system|safety)){0,2} "
            r"(?:instructions?|prompts?|messages?|rules?|guidelines?|directions?|context)\b",
        ),
        (
            "a call to tell the instructions",
            r"\b(?:reveal|print|repeat|show|output|leak|disclose)(?: (?:me|us|all|of|exactly|verbatim)){0,3} "
            r"(?:your|the) (?:system|initial|hidden|original|secret) (?:prompt|instructions?|message|rules?)\b",
        ),
        (
            "a call to hide something from the user",
            r"\b(?:do not|don.t|never) (?:tell|inform|mention|reveal|show)(?: (?:this|it|that)){0,1}(?: to){0,1} "
            r"(?:the |your )?(?:user|human|operator)s?\b",
        ),
        (
            "a call to be somebody without rules",
            r"\byou are (?:now|no longer)(?: (?:in|an?|the|bound)){0,2} "
            r"(?:dan\b|jailbroken|unrestricted|unfiltered|developer mode|by)",
        ),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanHit:
    """A finding in a text: its kind, a description in words, and its position (line and column from 1, offset from 0).

    The matched text itself is not repeated: it may be a secret.
    """

    kind: str
    name: str
    line: int
    column: int
    offset: int
    length: int


def scan(text: str, *, limit: int = 50, kind: str | None = None) -> list[ScanHit]:
    """The first `limit` findings in a text (of one kind, if given), in the order of the text."""
    spans = sorted(
        _iterate_spans(text, limit=limit, only=kind), key=lambda span: (span[2], span[0], span[1])
    )[:limit]
    hits = []
    line_number, start, counted_until = 1, 0, 0
    for kind, name, offset, end in spans:
        breaks = text.count("\n", counted_until, offset)
        if breaks:
            line_number, start = line_number + breaks, text.rindex("\n", counted_until, offset) + 1
        counted_until = offset
        hits.append(
            ScanHit(
                kind=kind, name=name, line=line_number, column=offset - start + 1, offset=offset,
                length=end - offset,
            )
        )  # fmt: skip
    return hits


def _iterate_spans(
    text: str, *, limit: int, only: str | None
) -> Iterator[tuple[str, str, int, int]]:
    for kind, name, pattern in _PATTERNS:
        if only not in (None, kind) or not any(
            beginning in text for beginning in _BEGINNINGS[name]
        ):
            continue
        for match in islice(pattern.finditer(text), limit):
            yield kind, name, *match.span()
    if only not in (None, INJECTION):
        return
    folded = text.lower()
    if len(folded) != len(
        text
    ):  # a few capitals become two characters, which would shift the offsets
        folded = "".join(
            character if len(character) == 1 else "?" for character in map(str.lower, text)
        )
    for name, pattern in _PHRASES:
        for match in islice(pattern.finditer(folded), limit):
            yield INJECTION, name, *match.span()
