"""Forecast how many more pairs a comparison will take, from how the bettors' wealth has grown so far."""

from __future__ import annotations

import numpy as np

from mintmark.experiments import betting
from mintmark.scoring.pair_model import Floats

MAX_FORECAST_PAIRS = 1_000_000
"""Above this number of pairs, the forecast is infinity."""
LIKELY_EFFECT = 0.4
"""Standard deviation of the differences that prompts are supposed to have: a larger one seen early is partly luck."""


def log_growth(*, mean: Floats, variance: Floats, point: float, side: int) -> Floats:
    """The mean log growth a pair of each bettor's wealth against Δ = `point`, (n, bettors).

    As if w·(d − c) took the two values mean ± √variance with even chances; `mean`, `variance` (n,).
    """
    off = betting.SIDES[side] * (mean - point)
    effects = np.empty((mean.size, betting.BETTORS))
    effects[:, :-1] = betting.EFFECTS
    effects[:, -1] = np.maximum(0.0, off)
    stake = effects / (variance[:, None] + effects * effects)
    sd = np.sqrt(variance)[:, None]
    stake = np.minimum(stake, betting.MAX_STAKED / np.maximum(1.0, sd - off[:, None]))
    up = stake * (off[:, None] + sd)
    down = stake * (off[:, None] - sd)
    rate: Floats = 0.5 * (np.log1p(up) + np.log1p(down))
    return rate


def pairs_until(*, wealth: Floats, rate: Floats, threshold: float) -> Floats:
    """The least number of pairs, (n,), after which the mean of `wealth`·e^(`rate`·pairs), (n, bettors) each, reaches
    `threshold`; infinity beyond a million.
    """
    log_wealth = np.log(np.maximum(wealth, 1e-300))
    target = np.log(threshold * betting.BETTORS)

    def log_total_wealth(pairs: Floats) -> Floats:
        total = log_wealth + rate * pairs[:, None]
        top = total.max(axis=1)
        log_sum: Floats = top + np.log(np.exp(total - top[:, None]).sum(axis=1))
        return log_sum

    low, high = np.zeros(len(rate)), np.full(len(rate), float(MAX_FORECAST_PAIRS))
    never = log_total_wealth(high) < target
    for _ in range(21):
        middle = np.floor((low + high) / 2.0)
        enough = log_total_wealth(middle) >= target
        high = np.where(enough, middle, high)
        low = np.where(enough, low, middle)
    high = np.where(log_total_wealth(np.zeros(len(rate))) >= target, 0.0, high)
    return np.where(never, np.inf, high)


def shrink_effect(*, mean: Floats, pairs: Floats, variance: Floats) -> Floats:
    """The difference to count on ahead, (n,), from what `pairs` of w·(d − c) with this `variance` showed."""
    prior = LIKELY_EFFECT**2
    ahead: Floats = mean * prior * pairs / (prior * pairs + variance)
    return ahead
