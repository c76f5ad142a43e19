"""The kinds of evidence, by the number under which the log keeps them."""

from enum import IntEnum


class Kind(IntEnum):
    OUTCOME = 0
    REPLAY = 1
    APPROVAL = 2
    RATING = 3
    RECALL = 4
    CLAUSE = 5


PLAIN_WORDS = {
    Kind.OUTCOME: "measured by a ritual",
    Kind.REPLAY: "measured again in a dreamframe, under a changed context",
    Kind.APPROVAL: "approved or not by an assistant that used it",
    Kind.RATING: "rated by somebody who used it",
    Kind.RECALL: "agreement of an output with the assistant's memory",
    Kind.CLAUSE: "checked against a clause of a codex",
}

MEASURED = frozenset({Kind.OUTCOME, Kind.REPLAY})
OPINION = frozenset({Kind.APPROVAL, Kind.RATING})
