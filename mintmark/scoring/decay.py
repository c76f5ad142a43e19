"""Exponential decay of evidence, by half-lives."""

from __future__ import annotations

import math

from mintmark.scoring.jit import njit

LN2 = math.log(2.0)


@njit
def decay_factor(elapsed_days: float, half_life_days: float) -> float:
    """Share of a weight left after `elapsed_days`: 2^(−elapsed/half-life); 1 for no time at all.

    Written with `exp`, since a compiler may replace a power of two by a function with other bits.
    """
    if elapsed_days <= 0.0:
        return 1.0
    return math.exp(-LN2 * elapsed_days / half_life_days)
