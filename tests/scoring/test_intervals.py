"""Intervals: the right shape, and a scale under which 90% holds 90%."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from mintmark.scoring import intervals


def drawn(*, n: int, runs: float, spread: float, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Scores of `runs` runs whose chance has `spread` times the variance that is claimed."""
    rng = np.random.default_rng(seed)
    mean = rng.uniform(0.1, 0.9, n)
    claimed = 0.02 * mean * (1.0 - mean)
    a, b = intervals.beta_shape(mean, spread * claimed)
    score = rng.binomial(int(runs), rng.beta(a, b)) / runs
    return mean, claimed, score, np.full(n, runs)


@given(st.floats(1e-6, 1 - 1e-6), st.floats(1e-8, 0.2))
def test_the_interval_lies_about_the_mean_and_inside_the_scale(
    mean: float, variance: float
) -> None:
    low, high = intervals.interval(np.array([mean]), np.array([variance]))
    assert 0.0 <= low[0] <= high[0] <= 1.0


def test_the_beta_has_the_mean_and_variance_asked_for() -> None:
    a, b = intervals.beta_shape(np.array([0.3]), np.array([0.01]))
    assert stats.beta(a[0], b[0]).mean() == pytest.approx(0.3)
    assert stats.beta(a[0], b[0]).var() == pytest.approx(0.01)


def test_moments_are_those_of_the_logistic_normal() -> None:
    rng = np.random.default_rng(0)
    p = special.expit(rng.normal(-1.0, 1.5, 2_000_000))
    mean, variance = intervals.logistic_moments(np.array([-1.0]), np.array([1.5]))
    assert mean[0] == pytest.approx(p.mean(), abs=1e-3)
    assert variance[0] == pytest.approx(p.var(), rel=1e-2)


@pytest.mark.parametrize("runs", [30.0, 100.0])
def test_scores_drawn_as_claimed_are_covered_nine_times_in_ten(runs: float) -> None:
    mean, variance, score, n = drawn(n=20_000, runs=runs, spread=1.0)
    found = intervals.coverage(mean=mean, variance=variance, score=score, runs=n)
    assert found == pytest.approx(0.90, abs=0.02)


def test_too_narrow_a_claim_is_not_covered() -> None:
    mean, variance, score, n = drawn(n=5_000, runs=100.0, spread=4.0)
    found = intervals.coverage(mean=mean, variance=variance, score=score, runs=n)
    assert found is not None
    assert found < 0.75


def test_single_runs_tell_nothing_of_intervals() -> None:
    mean, variance, score, n = drawn(n=100, runs=1.0, spread=1.0)
    assert intervals.coverage(mean=mean, variance=variance, score=score, runs=n) is None
    assert intervals.learn_scale(mean=mean, variance=variance, score=score, runs=n) == 1.0


def test_a_fraction_of_one_run_is_taken_as_exact() -> None:
    where = intervals.compute_mid_p(
        mean=np.array([0.5]),
        variance=np.array([0.01]),
        score=np.array([0.37]),
        runs=np.array([1.0]),
    )
    a, b = intervals.beta_shape(np.array([0.5]), np.array([0.01]))
    assert where[0] == pytest.approx(stats.beta(a[0], b[0]).cdf(0.37))


@pytest.mark.parametrize(("runs", "within"), [(100.0, 1.25), (3.0, 1.8)])
def test_the_scale_is_learned_and_errs_on_the_wide_side(runs: float, within: float) -> None:
    mean, variance, score, n = drawn(n=8_000, runs=runs, spread=4.0)
    scale = intervals.learn_scale(mean=mean, variance=variance, score=score, runs=n)
    assert 4.0 / 1.1 <= scale <= 4.0 * within


def test_a_link_that_is_off_is_learned_back() -> None:
    rng = np.random.default_rng(2)
    said = rng.uniform(0.02, 0.98, 20_000)
    true, _ = intervals.apply_link(said, (1.4, 0.7, 0.2))
    score = (rng.random(said.size) < true).astype(float)
    link = intervals.learn_link(mean=said, score=score, runs=np.ones_like(said))
    assert np.abs(intervals.apply_link(said, link)[0] - true).max() < 0.03


@pytest.mark.parametrize("score", [0.0, 1.0])
def test_a_link_learned_from_one_outcome_alone_is_finite_and_rising(score: float) -> None:
    mean = np.linspace(0.01, 0.99, 99)
    low, high, shift = intervals.learn_link(mean=mean, score=np.full(99, score), runs=np.ones(99))
    bent, slope = intervals.apply_link(mean, (low, high, shift))
    assert np.isfinite(bent).all()
    assert (slope > 0.0).all()
    assert intervals.learn_link(mean=mean[:0], score=mean[:0], runs=mean[:0]) == (1.0, 1.0, 0.0)
