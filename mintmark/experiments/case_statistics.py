"""Statistics of the pairs of each case of a ritual: its mean difference, its spread, and the uncertainty of both.

Two prompts run on the same case; d = score of the first less score of the second, in [−1, 1]. Arrays have one row for
each comparison, so that many may be simulated at once; a live one is one row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mintmark.scoring.pair_model import Floats, Ints

PRIOR_VARIANCE = 0.25
"""Variance that a difference is supposed to have before any was seen, counted as `COINS` pairs."""
PRIOR_PAIRS = 2.0
POOLED_PAIRS = 4.0
"""Pairs for which the spread over all cases counts in that of one case, and as many for what all
differences together spread in the spread within cases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseSums:
    """Per comparison and case, (n, cases): how many pairs, the sum of their d, and of their d²."""

    pairs: Floats
    sums: Floats
    squares: Floats

    @classmethod
    def create_initial(cls, *, comparisons: int, cases: int) -> CaseSums:
        return cls(
            pairs=np.zeros((comparisons, cases)),
            sums=np.zeros((comparisons, cases)),
            squares=np.zeros((comparisons, cases)),
        )

    def add_pair(self, case: Ints, difference: Floats) -> CaseSums:
        """These sums and one pair more of each comparison: `case` and `difference` are (n,)."""
        row = np.arange(case.size)
        pairs, sums, squares = self.pairs.copy(), self.sums.copy(), self.squares.copy()
        pairs[row, case] += 1.0
        sums[row, case] += difference
        squares[row, case] += difference * difference
        return CaseSums(pairs=pairs, sums=sums, squares=squares)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseForecast:
    """The forecast of the next pair, (n, cases) each.

    `centre` is the estimated distance of a case's mean from the mean over all cases; with the ritual's weights these
    add up to exactly 0 (but for rounding). `variance` is that of a pair's d about its case's mean, `centre_variance`
    the squared error of `centre`.
    """

    centre: Floats
    variance: Floats
    centre_variance: Floats


def forecast_cases(sums: CaseSums, *, weights: Floats, mean: Floats) -> CaseForecast:
    """What the pairs so far say of the next one; `weights` (cases,) add up to 1, `mean` (n,) is over all cases.

    Case means are shrunk to the mean as far as noise accounts for their spread (one-way random
    effects, moments), and case variances to the pooled one (a weight of 4 pairs).
    """
    n, total = sums.pairs, sums.pairs.sum(axis=1)
    has_pairs = n > 0.0
    means = np.divide(sums.sums, n, out=np.zeros_like(n), where=has_pairs)
    within_squares = np.maximum(0.0, sums.squares - sums.sums * means)
    about = sums.squares.sum(axis=1) - 2.0 * mean * sums.sums.sum(axis=1) + total * mean * mean
    overall = (np.maximum(0.0, about) + PRIOR_PAIRS * PRIOR_VARIANCE) / (total + PRIOR_PAIRS)
    freedom = np.maximum(n - 1.0, 0.0)
    pooled = (within_squares.sum(axis=1) + POOLED_PAIRS * overall) / (
        freedom.sum(axis=1) + POOLED_PAIRS
    )
    variance = (within_squares + POOLED_PAIRS * pooled[:, None]) / (freedom + POOLED_PAIRS)

    off = np.where(has_pairs, means - mean[:, None], 0.0)
    known = np.where(has_pairs, weights, 0.0)
    share = np.maximum(known.sum(axis=1), 1e-300)
    noise = np.divide(known * pooled[:, None], n, out=np.zeros_like(n), where=has_pairs)
    cases = has_pairs.sum(axis=1)
    spread = (known * off * off).sum(axis=1) * cases / np.maximum(cases - 1, 1)
    between_variance = np.where(cases > 1, np.maximum(0.0, spread - noise.sum(axis=1)) / share, 0.0)
    shrinkage = n * between_variance[:, None] / (n * between_variance[:, None] + pooled[:, None])
    centre = shrinkage * off
    return CaseForecast(
        centre=centre - (weights * centre).sum(axis=1)[:, None],
        variance=variance,
        centre_variance=between_variance[:, None] * (1.0 - shrinkage),
    )
