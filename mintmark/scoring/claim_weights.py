"""What a team's claims about a prompt count for, beside what was executed.

Four limits apply, one after another, each a pure function here:

1. The claims of one team about one prompt saturate at C = (1−λ)²·V/(s² + λ·D²) runs: however many runs it claims, they
   share what is off in its harness (s) and in its honesty (λ, its share of false claims; D, how far off those are).
2. A team whose claims about a prompt are far from what was executed counts less, the further off the less.
3. All claims together count fully up to ℓ = √(V/N + Q/S²) from what was executed, the standard deviation of the
   difference of the two; beyond, they weigh as Huber's estimator weighs an outlier (Huber 1964), so that whoever
   colludes moves the score by at most ℓ·S/(N + S).
4. What nobody can check is in a pool of its own, capped as that of opinions (`scoring.opinion_pool`).

V = m(1 − m) is the variance of a run on the task, N what was executed (prior included) and S the claims' weight, all in
runs. The formulas are those of docs/adr/0016-claims.md.
"""

from __future__ import annotations

import math

from mintmark.scoring.jit import njit

# A task that everybody solves, or nobody, still has runs that differ.
MIN_RUN_VARIANCE = 0.0475


@njit
def run_variance(mean: float) -> float:
    """V = m(1 − m), the variance of one run on a task of this mean."""
    return max(MIN_RUN_VARIANCE, mean * (1.0 - mean))


@njit
def team_capacity(
    variance: float, harness_sd: float, false_share: float, false_distance: float
) -> float:
    """C, the runs that a team's claims about one prompt count for at most."""
    error = harness_sd * harness_sd + false_share * false_distance * false_distance
    return (1.0 - false_share) * (1.0 - false_share) * variance / error


@njit
def team_weight(weight: float, capacity: float) -> float:
    """The runs as which a team's claims of this weight count: W/(1 + W/C); none for a team that lies throughout."""
    if weight <= 0.0 or capacity <= 0.0:
        return 0.0
    return weight / (1.0 + weight / capacity)


@njit
def team_credibility(
    weight: float,
    residual: float,
    executed: float,
    size: float,
    variance: float,
    harness_sd: float,
    tolerance: float,
) -> float:
    """Share in (0, 1] of one team's claims that counts, by their distance from what was executed.

    Full up to `tolerance` standard deviations of the difference of the two, beyond by the square of limit/distance: so
    the pull of a team falls the further off it is, and no number of other teams can vouch for it.
    """
    limit = tolerance * math.sqrt(harness_sd * harness_sd + variance / weight + variance / size)
    distance = abs(residual / weight - executed)
    if distance <= limit:
        return 1.0
    return (limit / distance) * (limit / distance)


@njit
def team_noise(placed: float, weight: float, variance: float, harness_sd: float) -> float:
    """A team's part of Q: w²·(s² + V/W)."""
    if weight <= 0.0:
        return 0.0
    return placed * placed * (harness_sd * harness_sd + variance / weight)


@njit
def credibility(
    weight: float, residual: float, noise: float, executed: float, size: float, variance: float
) -> float:
    """Share in (0, 1] of all claims together that counts, by their distance from what was executed."""
    distance = abs(residual / weight - executed)
    limit = math.sqrt(variance / size + noise / (weight * weight))
    if distance <= limit:
        return 1.0
    return limit / distance
