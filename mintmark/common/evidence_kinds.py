"""The kinds of evidence, by the number under which the log keeps them."""

from enum import IntEnum


class EvidenceKind(IntEnum):
    OUTCOME = 0
    REPLAY = 1
    APPROVAL = 2
    RATING = 3
    RECALL = 4
    CLAUSE = 5


MEASURED = frozenset({EvidenceKind.OUTCOME, EvidenceKind.REPLAY})
OPINION = frozenset({EvidenceKind.APPROVAL, EvidenceKind.RATING})
