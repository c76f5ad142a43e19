"""Bets against "the mean difference is no more than m" and "no less than m", for every m of a grid at once.

Whoever bets against a true sentence does not get rich: his wealth is a supermartingale that starts
at 1, so it ever reaches 1/α with a chance of at most α (Ville 1939). That holds at every look, which
is why a comparison may be watched (Waudby-Smith & Ramdas 2024, "Estimating means of bounded random
variables by betting"). Four bettors on each side, their wealth averaged: three count on an effect of
4, 10 and 25 points, the fourth on the effect that the pairs so far show.

A pair of case k pays every stake λ ≥ 0 the factor 1 ± λ·w·(d − c − m), where weights w and centres c
were fixed before it ran, Σ p·c = 0, and either

- k was drawn with chance q_k, and w = p_k/q_k: then E[w·(d − c − m)] = Δ − m, pair by pair, Δ the mean
  over the ritual's weights p; or
- the pair belongs to a pass that runs each of K cases once, at one λ and w = K·p_k: the expected
  factors have the mean 1 ± λ(Δ − m), and a product of factors is at most their mean's K-th power
  (arithmetic and geometric mean), so a whole pass pays at most 1 too. Within a pass this is not so:
  wealth is told at its end.
"""

from __future__ import annotations

import numpy as np

from mintmark.scoring.pair_model import Floats

EFFECTS = (0.04, 0.1, 0.25)
"""Effects, in points of score, on which the first bettors count; one more learns."""
BETTORS = len(EFFECTS) + 1
LEARNING_PAIRS = 20.0
"""Pairs for which "no difference" counts with the bettor that learns."""
MAX_STAKED = 0.9
"""Of its wealth, the share that a bettor may lose in one pair."""
MAX_WEALTH = 1e300
"""Wealth is cut here, which can only make the test more careful."""

SIDES: Floats = np.array([1.0, -1.0])
"""Side 0 bets that Δ is more than m, side 1 that it is less."""


def compute_bets(
    *, points: Floats, mean: Floats, pairs: Floats, variance: Floats, weight: Floats, centre: Floats
) -> Floats:
    """The stakes λ, (n, 2, points, bettors), times their side's sign.

    A bettor who counts on an effect stakes effect/(variance + effect²), about what makes wealth grow fastest
    (aGRAPA, ibid.), and never so much that one pair could take more than 9 tenths of its wealth.

    `points` (points,) the grid of m; `mean` and `pairs` (n,) what was seen; `variance` (n,) that of
    w·(d − c); `weight` and `centre` (n, cases) all that the next pairs may have.
    """
    observed_effect = mean * pairs / (pairs + LEARNING_PAIRS)
    lift = np.maximum(0.0, SIDES[:, None] * (observed_effect[:, None, None] - points))
    effects = np.empty((mean.size, 2, points.size, BETTORS))
    effects[..., :-1] = EFFECTS
    effects[..., -1] = lift
    unbounded_stake = effects / (variance[:, None, None, None] + effects * effects)
    # The worst case: d = −1 for side 0, +1 for side 1, on the case with the largest effect.
    reach = (weight[:, None, :] * (1.0 + SIDES[:, None] * centre[:, None, :])).max(axis=2)
    slope = weight.max(axis=1)
    worst = np.maximum(
        reach[:, :, None] + np.maximum(0.0, SIDES[:, None] * points * slope[:, None, None]),
        1e-300,
    )
    stake = np.minimum(unbounded_stake, (MAX_STAKED / worst)[..., None])
    signed: Floats = stake * SIDES[:, None, None]
    return signed


def apply_payoff(
    wealth: Floats,
    bets: Floats,
    *,
    points: Floats,
    weight: Floats,
    centre: Floats,
    difference: Floats,
) -> Floats:
    """Wealth (n, 2, points, bettors) after one pair; weight, centre, difference (n,) are that pair's."""
    paid = weight[:, None] * ((difference - centre)[:, None] - points)
    with np.errstate(over="ignore", under="ignore"):
        after: Floats = wealth * (1.0 + bets * paid[:, None, :, None])
    return np.minimum(after, MAX_WEALTH)


def mean_wealth(wealth: Floats) -> Floats:
    """The mean of the bettors' wealth, (n, 2, points): the evidence of each side against each m."""
    total = wealth[..., 0].copy()
    for bettor in range(1, BETTORS):
        total = total + wealth[..., bettor]
    return total / BETTORS
