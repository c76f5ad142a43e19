"""Where a piece of evidence comes from, by the number under which the log keeps it. It decides what the evidence counts
for, and it is decided once, when the evidence enters."""

from enum import IntEnum


class Provenance(IntEnum):
    """`EXECUTED`: by Mintmark's own worker, on a model that the installation configured. `VOUCHED`: reported by
    somebody an administrator vouches for. `CLAIM`: reported with a verdict for each case, by a team with a right to the
    prompt and no interest in it, so that it can be run again here. `WORD`: reported, and can't be checked.
    `INTERESTED`: reported by a team that gains by it. `NO_RIGHT`: reported by a team that has no right to the
    prompt."""

    EXECUTED = 0
    VOUCHED = 1
    CLAIM = 2
    WORD = 3
    INTERESTED = 4
    NO_RIGHT = 5


DECISIVE = frozenset({Provenance.EXECUTED, Provenance.VOUCHED})
"""Counts in full for everybody."""

REPORTED = frozenset({Provenance.CLAIM, Provenance.WORD})
"""Counts for others as far as it is proven."""

OWN_VIEW_ONLY = frozenset({Provenance.INTERESTED, Provenance.NO_RIGHT})
"""Counts for nobody but the team that reported it."""
