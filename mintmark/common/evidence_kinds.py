"""The kinds of evidence, by the number under which the log keeps them."""

from enum import IntEnum


class EvidenceKind(IntEnum):
    OUTCOME = 0
    REPLAY = 1
    APPROVAL = 2
    RATING = 3
    RECALL = 4
    CLAUSE = 5
    REWEIGH_TEAM = 6
    REWEIGH_PROMPT = 7


MEASURED = frozenset({EvidenceKind.OUTCOME, EvidenceKind.REPLAY})
OPINION = frozenset({EvidenceKind.APPROVAL, EvidenceKind.RATING})

REWEIGH = frozenset({EvidenceKind.REWEIGH_TEAM, EvidenceKind.REWEIGH_PROMPT})
"""What share of a team's claims is false, of all or of those about one prompt. Written by audits alone."""

REPORTABLE = frozenset(EvidenceKind) - REWEIGH
"""What a caller may record."""
