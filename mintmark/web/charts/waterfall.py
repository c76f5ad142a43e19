"""Where a score comes from, as a waterfall: each bar starts where the one before it ended."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from .interval import to_percent


@dataclass(frozen=True, slots=True, kw_only=True)
class WaterfallStep:
    """One term of a sum: its bar, and the running total after it, in percent of the axis."""

    left: float
    width: float
    end: float
    is_prior: bool
    is_negative: bool

    @property
    def css(self) -> str:
        """The class of its bar."""
        return "prior" if self.is_prior else "minus" if self.is_negative else "plus"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waterfall:
    """The steps of a sum on an axis of scores from `start` to `end`; the prior's bar is cut where it starts above 0."""

    steps: list[WaterfallStep]
    start: float
    end: float


def build_waterfall(*, amounts: Sequence[float], low: float, high: float) -> Waterfall:
    """The steps of a sum whose first term is the prior, on an axis of twentieths around them and [low, high]."""
    totals = list(accumulate(amounts))
    start = max(0.0, math.floor(20.0 * min(*totals, low) - 0.5) / 20.0)
    end = min(1.0, math.ceil(20.0 * max(*totals, high) + 0.5) / 20.0)
    steps: list[WaterfallStep] = []
    for before, total in pairwise([start, *totals]):
        left, right = sorted(to_percent(at, start=start, end=end) for at in (before, total))
        steps.append(
            WaterfallStep(
                left=left,
                width=max(round(right - left, 2), 0.4),
                end=to_percent(total, start=start, end=end),
                is_prior=not steps,
                is_negative=total < before,
            )
        )
    return Waterfall(steps=steps, start=start, end=end)
