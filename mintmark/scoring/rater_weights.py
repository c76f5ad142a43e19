"""The weight of a rater, learned from agreement with measurement on other prompts.

Raters are never weighted by agreement with each other: that would let a majority confirm itself.
"""

from __future__ import annotations

from mintmark.scoring.jit import njit

# s = (3 + Σ agreement)/(6 + n): a rater without a record stands at one half, which weighs LEAST.
PRIOR_AGREEMENT = 3.0
PRIOR_COUNT = 6.0
CHANCE = 0.5
SPAN = 0.35
MIN_WEIGHT = 0.05


@njit
def weight(agreement: float, count: float) -> float:
    """Weight in [0.05, 1] from the summed agreement (1 − |rating − measured|) over `count`
    comparisons.

    `count` need not be whole: against a prompt with n measured runs a comparison counts n/(1 + n).
    """
    share = (PRIOR_AGREEMENT + agreement) / (PRIOR_COUNT + count)
    return min(1.0, max(MIN_WEIGHT, (share - CHANCE) / SPAN))


@njit
def leniency(surplus: float, count: float) -> float:
    """Mean of rating − measured, shrunk to 0 as if the rater had been exact six times before."""
    return surplus / (PRIOR_COUNT + count)
