"""The three limits on opinion, each on its own."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintmark.scoring import opinion_pool, rater_weights

sizes = st.floats(0.01, 1e6)


@given(weight=sizes, capacity=sizes)
def test_a_pool_counts_as_neither_more_than_it_weighs_nor_more_than_it_may(
    weight: float, capacity: float
) -> None:
    size = opinion_pool.effective_size(weight, capacity)
    assert 0.0 < size <= min(weight, capacity) * (1.0 + 1e-12)


def test_a_small_pool_counts_as_what_it_weighs() -> None:
    assert opinion_pool.effective_size(1e-9, 5.0) == pytest.approx(1e-9)
    assert opinion_pool.effective_size(0.0, 5.0) == 0.0


def test_a_cohort_weighs_itself_up_to_one_and_a_logarithm_beyond() -> None:
    assert opinion_pool.cohort_weight(0.7) == 0.7
    assert opinion_pool.cohort_weight(1.0) == 1.0
    assert opinion_pool.cohort_weight(math.e) == pytest.approx(2.0)


def test_a_pool_within_the_noise_stands_whole_and_beyond_it_in_proportion() -> None:
    limit = 0.6 * math.sqrt(0.25 * (1.0 / 20.0 + 1.0 / 5.0))
    assert opinion_pool.credibility(0.99 * limit, 0.25, 20.0, 5.0, 0.6) == 1.0
    assert opinion_pool.credibility(-3.0 * limit, 0.25, 20.0, 5.0, 0.6) == pytest.approx(1.0 / 3.0)


def test_a_rater_without_a_record_weighs_little_and_a_perfect_one_comes_to_weigh_one() -> None:
    assert rater_weights.weight(0.0, 0.0) == rater_weights.MIN_WEIGHT
    assert rater_weights.weight(3.0, 3.0) == pytest.approx((6.0 / 9.0 - 0.5) / 0.35)
    assert rater_weights.weight(1000.0, 1000.0) == 1.0


def test_a_rater_who_is_always_wrong_never_weighs_less_than_a_newcomer() -> None:
    assert rater_weights.weight(0.0, 1000.0) == rater_weights.MIN_WEIGHT


def test_leniency_is_believed_only_after_several_comparisons() -> None:
    assert rater_weights.leniency(0.3, 1.0) < 0.05
    assert rater_weights.leniency(300.0, 1000.0) == pytest.approx(0.3, abs=0.01)
