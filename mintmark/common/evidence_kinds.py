"""The kinds of evidence, by the number under which the log keeps them."""

from enum import IntEnum


class EvidenceKind(IntEnum):
    OUTCOME = 0
    REPLAY = 1
    APPROVAL = 2
    RATING = 3
    RECALL = 4
    CLAUSE = 5


DESCRIPTIONS = {
    EvidenceKind.OUTCOME: "measured by a ritual",
    EvidenceKind.REPLAY: "measured again in a dreamframe, under a changed context",
    EvidenceKind.APPROVAL: "approved or not by an assistant that used it",
    EvidenceKind.RATING: "rated by somebody who used it",
    EvidenceKind.RECALL: "agreement of an output with the assistant's memory",
    EvidenceKind.CLAUSE: "checked against a clause of a codex",
}

MEASURED = frozenset({EvidenceKind.OUTCOME, EvidenceKind.REPLAY})
OPINION = frozenset({EvidenceKind.APPROVAL, EvidenceKind.RATING})
