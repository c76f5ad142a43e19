"""Metrics against their definitions, and against scipy where it has them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mintmark.scoring import forecast_metrics

P = np.array([0.1, 0.4, 0.4, 0.8])
Y = np.array([0.0, 1.0, 0.0, 1.0])


def test_a_worked_example() -> None:
    assert forecast_metrics.log_loss(predicted=P, score=Y) == pytest.approx(0.438905, abs=1e-5)
    assert forecast_metrics.brier(predicted=P, score=Y) == pytest.approx(0.1425)
    assert forecast_metrics.auc(predicted=P, score=Y) == pytest.approx(0.875)
    assert forecast_metrics.ece(predicted=P, score=Y) == pytest.approx((0.1 + 0.2 + 0.2) / 4)


def test_a_flat_denial_costs_much_but_not_all() -> None:
    worst = forecast_metrics.log_loss(predicted=np.array([0.0]), score=np.array([1.0]))
    assert worst == pytest.approx(-np.log(forecast_metrics.FLOOR))


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4)), min_size=2, max_size=60))
def test_a_fraction_counts_as_that_share_of_a_positive(rows: list[tuple[int, int]]) -> None:
    p = np.array([row[0] / 9 for row in rows])
    y = np.array([row[1] / 4 for row in rows])
    whole = np.array([1.0 if k < row[1] else 0.0 for row in rows for k in range(4)])
    assert forecast_metrics.log_loss(predicted=p, score=y) == pytest.approx(
        forecast_metrics.log_loss(predicted=np.repeat(p, 4), score=whole)
    )
    one, other = (
        forecast_metrics.auc(predicted=p, score=y),
        forecast_metrics.auc(predicted=np.repeat(p, 4), score=whole),
    )
    assert (one is None and other is None) or one == pytest.approx(other)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=3, max_size=40))
def test_spearman_is_scipys(rows: list[tuple[int, int]]) -> None:
    a, b = np.array(rows, dtype=float).T
    found = forecast_metrics.spearman(predicted=a, score=b)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        assert found is None
    else:
        assert found == pytest.approx(stats.spearmanr(a, b)[0])


def test_only_groups_of_more_than_twenty_rows_are_ranked_within() -> None:
    score = np.tile(np.linspace(0, 1, 21), 2)
    group = np.repeat([7, 3], 21)
    predicted = np.concatenate([score[:21], -score[21:]])
    assert forecast_metrics.rank_within(
        predicted=predicted, score=score, group=group
    ) == pytest.approx(0.0)
    assert forecast_metrics.rank_within(predicted=score, score=score, group=group) == pytest.approx(
        1.0
    )
    assert (
        forecast_metrics.rank_within(predicted=score[:20], score=score[:20], group=group[:20])
        is None
    )
    assert forecast_metrics.rank_within(predicted=0 * score, score=score, group=group) == 0.0


def test_one_kind_of_outcome_has_no_auc() -> None:
    assert forecast_metrics.auc(predicted=P, score=np.ones(4)) is None
    assert forecast_metrics.spearman(predicted=P, score=np.ones(4)) is None
