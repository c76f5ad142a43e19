"""The result of a comparison so far: evidence, interval, decision, and how many more pairs it will likely take."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from mintmark.experiments import betting, sample_size, sequential_test
from mintmark.experiments.sequential_test import ALPHA, MARGIN, ComparisonState, InvalidComparison
from mintmark.scoring.pair_model import Floats, Ints

MIN_FORECAST_PAIRS = 10
"""The number of pairs before which nothing is forecast."""


class Decision(StrEnum):
    """`first` or `second` does better; they are `equal`, their difference being no more than the margin; or `open`."""

    FIRST = "first"
    SECOND = "second"
    EQUAL = "equal"
    OPEN = "open"


DECISIONS = tuple(Decision)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonReadout:
    """Columns (n,), a row for each comparison.

    `mean` estimates Δ, `low` … `high` contains it with a chance of 1 − alpha at all looks together. `evidence` is the
    current e-value against Δ = 0 (how much a bet of 1 has won), `p_value` the smallest alpha at which a prompt would
    have been called better so far. `decision` numbers `DECISIONS`. `consistent` is False where every Δ is refuted:
    something changed during the comparison, or an event rarer than alpha happened; the decision is then `open` again.

    `until_better`, `until_equal`: the likely number of further pairs until a prompt is called better, or both equal; 0
    where that is so already, infinity where it can't be forecast.
    """

    pairs: Floats
    mean: Floats
    low: Floats
    high: Floats
    evidence: Floats
    p_value: Floats
    decision: Ints
    consistent: Floats
    until_better: Floats
    until_equal: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonResult:
    """A `ComparisonReadout` of one comparison; None for a number of pairs that can't be forecast."""

    decision: Decision
    consistent: bool
    pairs: int
    mean: float
    low: float
    high: float
    evidence: float
    p_value: float
    until_better: int | None
    until_equal: int | None

    @property
    def until_decided(self) -> int | None:
        """Pairs until either decision, None where neither can be forecast."""
        known = [n for n in (self.until_better, self.until_equal) if n is not None]
        return min(known, default=None)


def evaluate(
    state: ComparisonState, *, alpha: float = ALPHA, margin: float = MARGIN
) -> ComparisonResult:
    """The result of a comparison at this moment; it may be read as often as needed. Raises InvalidComparison."""
    readout = compute_readout(state, alpha=alpha, margin=margin)

    def to_pairs(pairs: Floats) -> int | None:
        return int(pairs[0]) if np.isfinite(pairs[0]) else None

    return ComparisonResult(
        decision=DECISIONS[readout.decision[0]],
        consistent=bool(readout.consistent[0]),
        pairs=int(readout.pairs[0]),
        mean=float(readout.mean[0]),
        low=float(readout.low[0]),
        high=float(readout.high[0]),
        evidence=float(readout.evidence[0]),
        p_value=float(readout.p_value[0]),
        until_better=to_pairs(readout.until_better),
        until_equal=to_pairs(readout.until_equal),
    )


def compute_readout(
    state: ComparisonState, *, alpha: float = ALPHA, margin: float = MARGIN
) -> ComparisonReadout:
    """What the comparisons say. Each side may err with alpha/2: its wealth has to reach 2/alpha.

    The grid of the state must hold 0 and ±margin. Raises InvalidComparison.
    """
    if not 0.0 < alpha < 1.0:
        raise InvalidComparison(f"The error rate lies between 0 and 1, not {alpha}.")
    least = float(np.abs(state.points - margin).min())
    if not margin > 0.0 or least > 1e-9:
        raise InvalidComparison(
            f"The margin of equality is a whole number of points of score, such as 0.03, not {margin}."
        )
    points, threshold = state.points, 2.0 / alpha
    zero, minus, plus = (int(np.abs(points - at).argmin()) for at in (0.0, -margin, margin))
    refuted = state.best >= threshold
    # A bound moves inwards over values that are refuted without a gap: so it errs no more than one of them does.
    above = np.logical_and.accumulate(refuted[:, 0], axis=1).sum(axis=1)
    below = np.logical_and.accumulate(refuted[:, 1, ::-1], axis=1).sum(axis=1)
    low = np.append(-1.0, points)[above]
    high = np.append(1.0, points[::-1])[below]
    consistent = low <= high
    first = consistent & (above > zero)
    second = consistent & (below > points.size - 1 - zero)
    equal = consistent & (above > minus) & (below > points.size - 1 - plus)
    decision = np.select([first, second, equal], [0, 1, 2], default=3)

    wealth = betting.mean_wealth(state.wealth)
    pair_counts = state.pairs
    until_better, until_equal = _forecast_pairs(
        state, threshold=threshold, zero=zero, ends=(minus, plus)
    )
    return ComparisonReadout(
        pairs=pair_counts,
        mean=np.clip(state.mean, -1.0, 1.0),
        low=low,
        high=high,
        evidence=0.5 * (wealth[:, 0, zero] + wealth[:, 1, zero]),
        p_value=np.minimum(1.0, 2.0 / state.best[:, :, zero].max(axis=1)),
        decision=decision,
        consistent=consistent,
        until_better=np.where(first | second, 0.0, until_better),
        until_equal=np.where(equal, 0.0, until_equal),
    )


def _forecast_pairs(
    state: ComparisonState, *, threshold: float, zero: int, ends: tuple[int, int]
) -> tuple[Floats, Floats]:
    """Pairs until a difference is decided, and until equality is; infinity while there are too few pairs."""
    case_forecast = sequential_test.forecast_cases(state)
    chance = sequential_test.compute_probabilities(state, case_forecast)
    ratio = state.weights / chance
    variance = (chance * ratio * ratio * case_forecast.variance).sum(axis=1)
    mean = sample_size.shrink_effect(mean=state.mean, pairs=state.pairs, variance=variance)

    def until(point: int, side: int) -> Floats:
        return sample_size.pairs_until(
            wealth=state.wealth[:, side, point],
            rate=sample_size.log_growth(
                mean=mean, variance=variance, point=float(state.points[point]), side=side
            ),
            threshold=threshold,
        )

    better = np.minimum(until(zero, 0), until(zero, 1))
    is_refuted = state.best >= threshold
    minus, plus = ends
    equal = np.maximum(
        np.where(is_refuted[:, 0, minus], 0.0, until(minus, 0)),
        np.where(is_refuted[:, 1, plus], 0.0, until(plus, 1)),
    )
    early = state.pairs < MIN_FORECAST_PAIRS
    return np.where(early, np.inf, better), np.where(early, np.inf, equal)
