"""Opinions of people and assistants about a prompt, limited by what was measured.

Ratings and approvals share one pool. Three limits apply, one after another, each a pure function here:

1. inside a cohort (raters of one owner or team) voices beyond the first count logarithmically,
2. the pool as a whole counts as at most C = ρ·(κ + W measured) runs, however many there are,
3. when the pool contradicts measurement beyond the noise of both, it counts less: its pull is limited to that of a
contradiction of `tolerance` standard deviations.

The second bounds the displacement of a score by any number of colluding raters to ρ/(1+ρ). The third makes that bound
shrink as measured runs come in, like 1/√(κ + W measured); docs/adr/0003-opinion.md has the measurements.
"""

from __future__ import annotations

import math

from mintmark.scoring.jit import njit


@njit
def cohort_weight(spent: float) -> float:
    """Weight that a cohort's summed raw weight buys: itself up to 1, then 1 + ln."""
    if spent <= 1.0:
        return spent
    return 1.0 + math.log(spent)


@njit
def effective_size(weight: float, capacity: float) -> float:
    """Runs as which a pool of this weight counts: C·(1 − e^(−W/C)), at most C."""
    if weight <= 0.0 or capacity <= 0.0:
        return 0.0
    return -capacity * math.expm1(-weight / capacity)


@njit
def credibility(
    disagreement: float, spread: float, measured_size: float, opinion_size: float, tolerance: float
) -> float:
    """Share in (0, 1] of the pool's size that counts, given its distance from measurement.

    `disagreement` is the pool's mean residual minus the measured estimate's, `spread` the variance of one run, the
    sizes are in runs. Within `tolerance` standard deviations of the difference the pool counts fully; beyond, it is
    weighted as Huber's estimator weights an outlier (Huber 1964), so that the score stays monotone in every opinion.
    """
    if opinion_size <= 0.0:
        return 1.0
    limit = tolerance * math.sqrt(spread * (1.0 / measured_size + 1.0 / opinion_size))
    distance = abs(disagreement)
    if distance <= limit:
        return 1.0
    return limit / distance
