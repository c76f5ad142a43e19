"""Where a score comes from, as a waterfall: each bar starts where the one before it ended."""

from collections.abc import Sequence
from dataclasses import dataclass

from .interval import percent


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One term of a sum on the axis of scores: its bar and the running total after it, in percent and exactly."""

    left: float
    width: float
    total: float
    end: float
    is_prior: bool
    is_negative: bool


def waterfall(*, amounts: Sequence[float]) -> list[Step]:
    """The steps of a sum; the first term (the prior) starts at zero."""
    steps = []
    total = 0.0
    for position, amount in enumerate(amounts):
        before, total = total, total + amount
        left, right = sorted((percent(before), percent(total)))
        steps.append(
            Step(
                left=left,
                width=max(right - left, 0.4),
                total=total,
                end=percent(total),
                is_prior=position == 0,
                is_negative=amount < 0,
            )
        )
    return steps
