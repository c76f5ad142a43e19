"""One η and one event: the score expected from a Gaussian η, and η after a score was seen.

Everything here is for one η on the logit scale; `pair_model` shares the change out over its parameters.
"""

from __future__ import annotations

import math

import numpy as np

from mintmark.scoring.jit import njit

TWO_PI = 2.0 * math.pi
HALF_LN_TWO_PI = 0.9189385332046727
SPACING = 0.75

# The standard Gaussian on 21 points, for means over it.
POINTS = np.array([0.5 * k for k in range(-10, 11)])
MASSES = np.array([math.exp(-0.125 * k * k) for k in range(-10, 11)])
MASSES /= math.fsum(MASSES)


@njit
def logistic(value: float) -> float:
    if value >= 0.0:
        return 1.0 / (1.0 + math.exp(-value))
    e = math.exp(value)
    return e / (1.0 + e)


@njit
def expected_score(mean: float, variance: float) -> float:
    """Return E σ(η) for a Gaussian η, by the trapezoid rule on 21 points (to 1e-6 at sd ≤ 3)."""
    sd = math.sqrt(variance)
    total = 0.0
    for k in range(21):
        total += MASSES[k] * logistic(mean + sd * POINTS[k])
    return total


@njit
def apply_link(p: float, low: float, high: float, shift: float) -> float:
    """Return σ(low·ln p − high·ln(1−p) + shift): beta calibration (Kull et al., AISTATS 2017)."""
    if low == 1.0 and high == 1.0 and shift == 0.0:
        return p
    p = min(1.0 - 1e-12, max(1e-12, p))
    return logistic(low * math.log(p) - high * math.log(1.0 - p) + shift)


@njit
def log_logistic(value: float) -> float:
    if value >= 0.0:
        return -math.log1p(math.exp(-value))
    return value - math.log1p(math.exp(value))


@njit
def posterior_mode(mean: float, variance: float, score: float, weight: float) -> float:
    """Return the mode of N(η; mean, variance)·σ(η)^(w·y)·(1−σ(η))^(w·(1−y)).

    Newton steps kept inside a bracket: the slope of the log falls everywhere, so the mode lies
    between the prior mean and where the likelihood's pull there would take it.
    """
    pull = variance * weight * (score - logistic(mean))
    low = min(mean, mean + pull)
    high = max(mean, mean + pull)
    eta = min(high, max(low, mean))
    for _ in range(100):
        p = logistic(eta)
        slope = weight * (score - p) - (eta - mean) / variance
        if slope > 0.0:
            low = eta
        else:
            high = eta
        after = eta + slope / (weight * p * (1.0 - p) + 1.0 / variance)
        if after <= low or after >= high:
            after = 0.5 * (low + high)
        if abs(after - eta) <= 1e-7 * (1.0 + abs(eta)):
            return after
        eta = after
    return eta


@njit
def posterior(
    mean: float, variance: float, score: float, weight: float
) -> tuple[float, float, float]:
    """Return mean and variance of η after the event, and the log of ∫ prior × likelihood.

    Trapezoid rule on 21 points about the mode: for such smooth bells its error falls exponentially
    in the spacing (Trefethen & Weideman, SIAM Review 2014). What is left is the cut tail of a very
    wide prior: variance of η to 1e-5 at a prior variance of 1, to some per cent at 50.
    """
    mode = posterior_mode(mean, variance, score, weight)
    p = logistic(mode)
    sd = math.sqrt(1.0 / (weight * p * (1.0 - p) + 1.0 / variance))
    top = weight * (log_logistic(mode) - (1.0 - score) * mode)
    top -= (mode - mean) * (mode - mean) / (2.0 * variance)
    total = 0.0
    first = 0.0
    second = 0.0
    for k in range(-10, 11):
        t = SPACING * k
        eta = mode + sd * t
        height = weight * (log_logistic(eta) - (1.0 - score) * eta)
        height -= (eta - mean) * (eta - mean) / (2.0 * variance)
        mass = math.exp(height - top)
        total += mass
        first += mass * t
        second += mass * t * t
    first /= total
    second = second / total - first * first
    evidence = top + math.log(total * SPACING * sd / math.sqrt(TWO_PI * variance))
    return mode + sd * first, sd * sd * second, evidence


@njit
def log_factorial(value: float) -> float:
    """Return ln Γ(value + 1), value ≥ 0, by Stirling's series after a shift (DLMF 5.11.1).

    Not `math.lgamma`: Python and numba each bring their own, and their last bits differ.
    """
    x = value + 1.0
    shift = 1.0
    while x < 8.0:
        shift *= x
        x += 1.0
    square = 1.0 / (x * x)
    series = (1.0 / 12.0 - square * (1.0 / 360.0 - square * (1.0 / 1260.0 - square / 1680.0))) / x
    return (x - 0.5) * math.log(x) - x + HALF_LN_TWO_PI + series - math.log(shift)


@njit
def log_ways(runs: float, weight: float, score: float) -> float:
    """Return the log of the number of ways to score y in n runs that weigh w; exact at w = n."""
    hits = weight * score
    ways = log_factorial(weight) - log_factorial(hits) - log_factorial(weight - hits)
    return ways + math.log((weight + 1.0) / (runs + 1.0))
