"""Which of two prompts does better on a ritual? A sequential test that may be read, and stopped, at any moment.

Two prompts run on the same cases with the same assistant; d = score of the first less score of the second, in [−1, 1],
and Δ its mean over the ritual's weights. Wealth won by bets (`betting`) against every value of Δ is the evidence. All
is pure and goes pair by pair: a state that is stored after any pair and loaded again ends in the same bits.

Assumptions: the cases are run as `draw` or a whole pass says, not chosen by results; a case's mean difference does not
change while the comparison runs; a failed pair is run again, not left out.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mintmark.common import errors
from mintmark.experiments import allocation, betting, case_statistics
from mintmark.experiments.allocation import Draws
from mintmark.scoring.pair_model import Floats, Ints

GRID: Floats = np.arange(-100, 101) / 100.0
"""The values of Δ that are bet against: bounds are given in whole points of score."""
ALPHA = 0.05
"""The chance, over all looks together, that a prompt is called better although it is not."""
MARGIN = 0.03
"""Two prompts that differ by no more than this are called equal."""
MAX_CASES = 100_000


class InvalidComparison(errors.DomainError):
    """Pairs can't be counted, or a comparison can't be read with these arguments."""

    code = "invalid_comparison"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonState:
    """Comparisons in progress, a row each. `total` and `squares` (n,) sum w·(d − c) and its square over all pairs.

    `wealth` (n, 2, points, bettors); `best` (n, 2, points) is the largest mean wealth of the bettors at any look.
    """

    weights: Floats
    points: Floats
    cases: case_statistics.CaseSums
    total: Floats
    squares: Floats
    wealth: Floats
    best: Floats

    @property
    def pairs(self) -> Floats:
        """Pairs counted, (n,)."""
        pair_counts: Floats = self.cases.pairs.sum(axis=1)
        return pair_counts

    @property
    def mean(self) -> Floats:
        """Unbiased estimate of Δ after a number of pairs fixed in advance, (n,); 0 before the first pair."""
        return self.total / np.maximum(self.pairs, 1.0)


def start(
    *, weights: Sequence[float] | Floats, points: Floats = GRID, comparisons: int = 1
) -> ComparisonState:
    """A comparison before any pair. `weights` are those of the ritual's cases, all positive; they are scaled to 1.

    Raises InvalidComparison. (`points` and `comparisons` are for simulations: fewer m, many at once.)
    """
    case_weights = np.asarray(weights, dtype=float)
    if (
        not 1 <= case_weights.size <= MAX_CASES
        or not np.isfinite(case_weights).all()
        or (case_weights <= 0.0).any()
    ):
        raise InvalidComparison(
            f"A comparison takes 1 to {MAX_CASES:,} cases, each with a weight above 0."
        )
    return ComparisonState(
        weights=case_weights / case_weights.sum(),
        points=points,
        cases=case_statistics.CaseSums.create_initial(
            comparisons=comparisons, cases=case_weights.size
        ),
        total=np.zeros(comparisons),
        squares=np.zeros(comparisons),
        wealth=np.ones((comparisons, 2, points.size, betting.BETTORS)),
        best=np.ones((comparisons, 2, points.size)),
    )


def draw(state: ComparisonState, *, pairs: int, rng: np.random.Generator) -> Draws:
    """The next cases to run for both prompts, `pairs` of them, with what each counts.

    They may run at once and end in any order; they are counted in the order of the draw.
    """
    chance = compute_probabilities(state, forecast_cases(state))
    return allocation.sample_cases(weights=state.weights, chance=chance, draws=pairs, rng=rng)


def update(state: ComparisonState, *, draws: Draws, differences: Floats) -> ComparisonState:
    """The state after drawn pairs, folded one by one; `differences` (n, draws) are their d.

    `draws` may be the first finished part of what was drawn, and the rest follow later. Raises
    InvalidComparison.
    """
    _check_pairs(state, case=draws.case, differences=differences, draws=draws)
    for i in range(draws.case.shape[1]):
        case, d = draws.case[:, i], differences[:, i]
        case_forecast = forecast_cases(state)
        chance = compute_probabilities(state, case_forecast)
        # The current chances tell how w·(d − c) spreads; what a pair counts was fixed when it was drawn.
        ratio = state.weights / chance
        bets = betting.compute_bets(
            points=state.points,
            mean=state.mean,
            pairs=state.pairs,
            variance=(
                chance * ratio * ratio * (case_forecast.variance + case_forecast.centre_variance)
            ).sum(axis=1),
            weight=np.broadcast_to(draws.max_weight[:, i, None], chance.shape),
            centre=case_forecast.centre,
        )
        state = _apply_pair(
            state, case_forecast, bets, w=draws.weight[:, i], case=case, difference=d
        )
        state = replace(state, best=np.maximum(state.best, betting.mean_wealth(state.wealth)))
    return state


def update_pass(state: ComparisonState, *, differences: Floats) -> ComparisonState:
    """The state after a whole pass: every case run once for both prompts; `differences` (n, cases) in their order.

    The evidence of a pass is updated at its end only. Raises InvalidComparison.
    """
    rows, cases = state.cases.pairs.shape
    if differences.shape != (rows, cases):
        raise InvalidComparison(
            f"A whole pass has {cases} differences, not {differences.shape[-1]}."
        )
    every = np.broadcast_to(np.arange(cases), (rows, cases))
    _check_pairs(state, case=every, differences=differences, draws=None)
    case_forecast = forecast_cases(state)
    ratio = np.broadcast_to(state.weights * cases, (rows, cases))
    bets = betting.compute_bets(
        points=state.points,
        mean=state.mean,
        pairs=state.pairs,
        variance=(ratio * ratio * (case_forecast.variance + case_forecast.centre_variance)).mean(
            axis=1
        ),
        weight=ratio,
        centre=case_forecast.centre,
    )
    for i in range(cases):
        state = _apply_pair(
            state,
            case_forecast,
            bets,
            w=ratio[:, i],
            case=every[:, i],
            difference=differences[:, i],
        )
    return replace(state, best=np.maximum(state.best, betting.mean_wealth(state.wealth)))


def serialize(state: ComparisonState) -> bytes:
    """The state of one comparison as bytes, to be stored; `deserialize` restores it bit for bit."""
    points, cases = state.points.size, state.weights.size
    return struct.pack("<III", 1, cases, points) + b"".join(
        np.ascontiguousarray(column, dtype="<f8").tobytes() for column in _list_columns(state)
    )


def deserialize(stored: bytes) -> ComparisonState:
    """The comparison that `serialize` stored. Raises InvalidComparison if the bytes are not such a state."""
    head = struct.calcsize("<III")
    if len(stored) < head or struct.unpack_from("<I", stored)[0] != 1:
        raise InvalidComparison("These bytes are not a comparison as this version stores it.")
    _, cases, points = struct.unpack_from("<III", stored)
    if not 1 <= cases <= MAX_CASES or not 1 <= points <= GRID.size:
        raise InvalidComparison("These bytes are not a comparison as this version stores it.")
    state = start(weights=np.ones(cases), points=np.zeros(points))
    shapes = [column.shape for column in _list_columns(state)]
    sizes = [int(np.prod(shape)) for shape in shapes]
    if len(stored) != head + 8 * sum(sizes):
        raise InvalidComparison(f"A comparison of {cases} cases is cut short or too long.")
    numbers = np.frombuffer(stored, dtype="<f8", offset=head).astype(np.float64)
    flat_columns = np.split(numbers, np.cumsum(sizes)[:-1])
    weights, grid, pairs, sums, case_squares, total, squares, wealth, best = (
        flat_column.reshape(shape) for flat_column, shape in zip(flat_columns, shapes, strict=True)
    )
    return ComparisonState(
        weights=weights,
        points=grid,
        cases=case_statistics.CaseSums(pairs=pairs, sums=sums, squares=case_squares),
        total=total,
        squares=squares,
        wealth=wealth,
        best=best,
    )


def _list_columns(state: ComparisonState) -> tuple[Floats, ...]:
    cases = state.cases
    return (
        state.weights,
        state.points,
        cases.pairs,
        cases.sums,
        cases.squares,
        state.total,
        state.squares,
        state.wealth,
        state.best,
    )


def forecast_cases(state: ComparisonState) -> case_statistics.CaseForecast:
    """The forecast of the next pair from the pairs so far."""
    return case_statistics.forecast_cases(
        state.cases, weights=state.weights, mean=np.clip(state.mean, -1.0, 1.0)
    )


def compute_probabilities(
    state: ComparisonState, case_forecast: case_statistics.CaseForecast
) -> Floats:
    """The chance of each case to be drawn next, (n, cases)."""
    return allocation.compute_probabilities(
        weights=state.weights, variance=case_forecast.variance, pairs=state.cases.pairs
    )


def _apply_pair(
    state: ComparisonState,
    case_forecast: case_statistics.CaseForecast,
    bets: Floats,
    *,
    w: Floats,
    case: Ints,
    difference: Floats,
) -> ComparisonState:
    centre = np.take_along_axis(case_forecast.centre, case[:, None], axis=1)[:, 0]
    worth = w * (difference - centre)
    return replace(
        state,
        cases=state.cases.add_pair(case, difference),
        total=state.total + worth,
        squares=state.squares + worth * worth,
        wealth=betting.apply_payoff(
            state.wealth,
            bets,
            points=state.points,
            weight=w,
            centre=centre,
            difference=difference,
        ),
    )


def _check_pairs(
    state: ComparisonState, *, case: Ints, differences: Floats, draws: Draws | None
) -> None:
    if case.shape != differences.shape or case.shape[0] != state.total.size:
        raise InvalidComparison(
            f"{case.shape[-1]} cases were run and {differences.shape[-1]} came back."
        )
    if ((case < 0) | (case >= state.weights.size)).any():
        raise InvalidComparison(f"A case is a number from 0 to {state.weights.size - 1}.")
    outside = ~(np.abs(differences) <= 1.0)
    if outside.any():
        raise InvalidComparison(
            f"A difference of two scores lies in [−1, 1], not {differences[outside][0]}."
        )
    max_weight = (1.0 + 1e-9) / allocation.WEIGHTED_SHARE
    if (
        draws is not None
        and not (
            (draws.weight > 0.0)
            & (draws.weight <= draws.max_weight)
            & (draws.max_weight <= max_weight)
        ).all()
    ):
        raise InvalidComparison("A drawn case counts what `draw` said, more than 0 and at most 2.")
