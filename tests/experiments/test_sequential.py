"""A comparison that may be watched: its error rate, its resumption, its refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mintmark.experiments import sequential_test
from mintmark.experiments.allocation import Draws
from mintmark.experiments.decision import Decision
from mintmark.experiments.sequential_test import ComparisonState, InvalidComparison
from mintmark.scoring.pair_model import Floats
from tests.experiments.comparisons import Graded, Prompts, watch

EIGHT = np.full(8, 0.5)
# Equal in the mean, and on no case.
OPPOSITE = Prompts(np.array([1.0] * 4 + [0.0] * 4), np.array([0.0] * 4 + [1.0] * 4))
ONE_LOSES_ALL = Prompts(np.array([0.0] + [0.64] * 7), np.array([1.0] + [0.64 - 1.0 / 7.0] * 7))


@pytest.mark.parametrize(
    ("prompts", "passes"),
    [(Prompts(EIGHT, EIGHT), 0), (OPPOSITE, 0), (Graded(EIGHT, EIGHT), 0), (ONE_LOSES_ALL, 1)],
    ids=["coins", "each case decided for one", "skewed scores", "one case against seven"],
)
def test_of_2000_comparisons_of_equals_watched_at_every_pair_at_most_one_in_twenty_errs(
    prompts: Prompts, passes: int
) -> None:
    watched = watch(
        prompts,
        comparisons=2_000,
        most=200,
        passes=passes,
        at_once=4,
        rng=np.random.default_rng(2_000),
    )
    wrong = round(2_000 * (watched.share(Decision.FIRST) + watched.share(Decision.SECOND)))
    # Exact (Clopper & Pearson 1934): with so few false alarms the rate is below 5%, at 99.9% confidence.
    assert stats.beta.ppf(0.999, wrong + 1, 2_000 - wrong) <= sequential_test.ALPHA


def test_whole_passes_alone_keep_the_error_rate_too() -> None:
    watched = watch(
        Prompts(EIGHT, EIGHT), comparisons=2_000, most=800, passes=100, rng=np.random.default_rng(3)
    )
    assert watched.share(Decision.FIRST) + watched.share(Decision.SECOND) <= sequential_test.ALPHA


def test_it_takes_fewer_pairs_than_a_fixed_size_test_of_the_same_power() -> None:
    prompts = Prompts(np.linspace(0.25, 0.95, 8), np.linspace(0.1, 0.8, 8))
    watched = watch(
        prompts, comparisons=400, most=800, passes=1, at_once=4, rng=np.random.default_rng(4)
    )
    power = watched.share(Decision.FIRST)
    assert power >= 0.95
    # Two-sided z-test of the mean of n pairs, drawn as independent: the n at which its power is as much.
    z = stats.norm.ppf(0.975) + stats.norm.ppf(power)
    fixed = z**2 * prompts.variance / prompts.difference**2
    # And as kind to it as can be: each case run equally often, its variance between cases left out, which is known.
    kinder = z**2 * prompts.within.mean() / prompts.difference**2
    assert np.minimum(watched.pairs, 800).mean() < 0.8 * min(fixed, kinder)


def test_what_was_steered_still_estimates_the_mean_over_the_rituals_weights() -> None:
    weights = np.array([4.0, 1.0, 1.0, 1.0, 1.0])
    prompts = Prompts(np.array([0.5, 1.0, 1.0, 0.9, 0.0]), np.array([0.4, 0.0, 1.0, 0.5, 0.0]))
    rng = np.random.default_rng(5)
    state = sequential_test.start(weights=weights, points=np.array([0.0]), comparisons=2_000)
    for _ in range(12):
        draws = sequential_test.draw(state, pairs=5, rng=rng)
        state = sequential_test.update(state, draws=draws, differences=prompts.run(draws.case, rng))
    truth = float((weights * (prompts.first - prompts.second)).sum() / weights.sum())
    error = state.mean.std() / 2_000**0.5
    assert abs(state.mean.mean() - truth) < 2.6 * error
    assert state.pairs[0] == 60


def test_the_interval_holds_the_truth_at_every_look() -> None:
    prompts = Prompts(np.array([0.9, 0.8, 0.3]), np.array([0.6, 0.9, 0.2]))
    rng = np.random.default_rng(6)
    truth = round(prompts.difference, 2)
    state = sequential_test.start(weights=np.ones(3), points=np.array([truth]), comparisons=1_000)
    for _ in range(40):
        draws = sequential_test.draw(state, pairs=3, rng=rng)
        state = sequential_test.update(state, draws=draws, differences=prompts.run(draws.case, rng))
    left_out = (state.best >= 2.0 / sequential_test.ALPHA).any(axis=(1, 2))
    assert left_out.mean() <= sequential_test.ALPHA


def run(seed: int, pairs: int) -> tuple[ComparisonState, Draws, Floats]:
    """A comparison after its first pass, and what was drawn for it then."""
    rng = np.random.default_rng(seed)
    state = sequential_test.start(weights=rng.uniform(0.5, 2.0, 4))
    state = sequential_test.update_pass(
        state, differences=rng.choice([-1.0, 0.0, 0.5, 1.0], (1, 4))
    )
    draws = sequential_test.draw(state, pairs=pairs, rng=rng)
    return state, draws, rng.choice([-1.0, 0.0, 0.5, 1.0], (1, pairs))


@settings(max_examples=25)
@given(seed=st.integers(0, 1000), cut=st.integers(0, 12))
def test_stored_after_any_pair_and_taken_up_again_it_ends_in_the_same_bits(
    seed: int, cut: int
) -> None:
    state, draws, differences = run(seed, 12)
    at_once = sequential_test.update(state, draws=draws, differences=differences)
    half = sequential_test.update(
        state, draws=draws.select(slice(0, cut)), differences=differences[:, :cut]
    )
    stored = sequential_test.serialize(half)
    resumed = sequential_test.update(
        sequential_test.deserialize(stored),
        draws=draws.select(slice(cut, 12)),
        differences=differences[:, cut:],
    )
    assert sequential_test.serialize(resumed) == sequential_test.serialize(at_once)
    assert sequential_test.serialize(sequential_test.deserialize(stored)) == stored


def test_a_state_is_not_changed_by_what_is_counted_after_it() -> None:
    state, draws, differences = run(1, 6)
    before = sequential_test.serialize(state)
    sequential_test.update(state, draws=draws, differences=differences)
    assert sequential_test.serialize(state) == before


def test_many_comparisons_at_once_are_each_what_it_would_be_alone() -> None:
    rng = np.random.default_rng(8)
    together = sequential_test.start(weights=np.ones(3), comparisons=2)
    differences = rng.choice([-1.0, 0.0, 1.0], (2, 3))
    together = sequential_test.update_pass(together, differences=differences)
    for row in (0, 1):
        alone = sequential_test.update_pass(
            sequential_test.start(weights=np.ones(3)), differences=differences[row : row + 1]
        )
        assert alone.wealth.tobytes() == together.wealth[row].tobytes()


def test_swapping_the_prompts_swaps_the_sides() -> None:
    state, draws, differences = run(2, 30)
    there = sequential_test.update(
        sequential_test.start(weights=state.weights), draws=draws, differences=differences
    )
    back = sequential_test.update(
        sequential_test.start(weights=state.weights), draws=draws, differences=-differences
    )
    np.testing.assert_allclose(there.best[:, 0], back.best[:, 1, ::-1])
    np.testing.assert_allclose(there.mean, -back.mean)


@settings(max_examples=25)
@given(seed=st.integers(0, 1000), sign=st.sampled_from([-1.0, 1.0]))
def test_no_pair_takes_more_than_nine_tenths_of_any_bettors_wealth(seed: int, sign: float) -> None:
    state, draws, _ = run(seed, 1)
    after = sequential_test.update(state, draws=draws, differences=np.array([[sign]]))
    assert (after.wealth >= 0.0999 * state.wealth).all()


@pytest.mark.parametrize("weights", [[], [1.0, 0.0], [1.0, -1.0], [float("nan")], [float("inf")]])
def test_cases_without_a_positive_weight_are_refused(weights: list[float]) -> None:
    with pytest.raises(InvalidComparison, match="each with a weight above 0"):
        sequential_test.start(weights=weights)


@pytest.mark.parametrize("difference", [1.01, -2.0, float("nan")])
def test_a_difference_that_no_two_scores_have_is_refused(difference: float) -> None:
    state, draws, _ = run(3, 1)
    with pytest.raises(InvalidComparison, match=r"lies in \[−1, 1\]"):
        sequential_test.update(state, draws=draws, differences=np.array([[difference]]))


def test_a_pass_that_left_a_case_out_is_refused() -> None:
    with pytest.raises(InvalidComparison, match="has 3 differences, not 2"):
        sequential_test.update_pass(
            sequential_test.start(weights=np.ones(3)), differences=np.zeros((1, 2))
        )


def test_pairs_that_nobody_drew_are_refused() -> None:
    state, draws, differences = run(4, 1)
    one = np.ones((1, 1))
    with pytest.raises(InvalidComparison, match="from 0 to 3"):
        sequential_test.update(
            state,
            draws=Draws(case=np.array([[4]]), weight=one, max_weight=one),
            differences=differences,
        )
    with pytest.raises(InvalidComparison, match="at most 2"):
        sequential_test.update(
            state,
            draws=Draws(case=draws.case, weight=5.0 * one, max_weight=5.0 * one),
            differences=differences,
        )
    with pytest.raises(InvalidComparison, match="1 cases were run and 2 came back"):
        sequential_test.update(state, draws=draws, differences=np.zeros((1, 2)))


@pytest.mark.parametrize("spoil", [lambda b: b"", lambda b: b[:-8], lambda b: b"\2" + b[1:]])
def test_bytes_that_are_no_comparison_are_refused(spoil: object) -> None:
    stored = sequential_test.serialize(run(5, 1)[0])
    with pytest.raises(InvalidComparison):
        sequential_test.deserialize(spoil(stored))  # type: ignore[operator]
