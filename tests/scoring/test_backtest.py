"""The backtest: no row is predicted with anything learned from it or from later ones."""

from dataclasses import replace

import numpy as np
import pytest

from mintmark.scoring import backtest
from tests.scoring.fleets import fleet

PLAIN = {
    "global_mean",
    "assistant_mean",
    "prompt_mean",
    "prompt_bayes_average",
    "assistant_ritual_mean",
}


def test_with_texts_the_model_without_them_stands_beside() -> None:
    report = backtest.run(fleet(rows=200), test=None, timed=True)
    assert set(report.metrics) == PLAIN | {"mintmark", "mintmark_without_texts"}
    assert report.last_half is not None
    assert set(report.last_half) == set(report.metrics)


def test_without_texts_it_does_not() -> None:
    report = backtest.run(fleet(rows=200, texts=False), test=None, timed=True)
    assert set(report.metrics) == PLAIN | {"mintmark"}


def test_what_comes_later_changes_no_earlier_prediction() -> None:
    events = fleet(rows=400, texts=False)
    turned = replace(
        events, score=np.where(np.arange(400) >= 300, 1.0 - events.score, events.score)
    )
    one, two = (backtest._predict_ahead(e, lambda _: None)[1].mean for e in (events, turned))
    assert one[:300].tobytes() == two[:300].tobytes()
    assert one[301:].tobytes() != two[301:].tobytes()


def test_the_scores_of_test_rows_change_no_prediction() -> None:
    events = fleet(rows=300)
    held = np.arange(300) % 3 == 0
    turned = replace(events, score=np.where(held, 1.0 - events.score, events.score))
    reports = [backtest.run(e, test=held, timed=False) for e in (events, turned)]
    assert reports[0].policy == reports[1].policy
    assert reports[0].last_half is None


def test_where_there_is_signal_it_beats_every_plain_mean() -> None:
    events = fleet(rows=12_000, assistants=12, prompts=60, spread=1.2, texts=False)
    for test in (None, np.arange(12_000) % 2 == 0):
        metrics = backtest.run(events, test=test, timed=True).metrics
        assert all(metrics["mintmark"].log_loss < metrics[name].log_loss for name in PLAIN)


def test_the_order_of_an_untimed_file_matters_little() -> None:
    events = replace(fleet(rows=3_000, texts=False), at_days=np.zeros(3_000))
    held = np.random.default_rng(0).random(3_000) < 0.3
    order = np.lexsort([events.prompt, events.assistant])
    one = backtest.run(events, test=held, timed=False).metrics["mintmark"].log_loss
    two = backtest.run(events.select(order), test=held[order], timed=False)
    assert two.metrics["mintmark"].log_loss == pytest.approx(one, abs=0.005)


def test_test_rows_of_strangers_are_answered() -> None:
    events = fleet(rows=300, prompts=40)
    report = backtest.run(events, test=events.prompt >= 30, timed=True)
    assert np.isfinite(report.metrics["mintmark"].log_loss)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_split_needs_both_its_sides(share: float) -> None:
    events = fleet(rows=20)
    with pytest.raises(backtest.NothingToTest, match="rows to train on"):
        backtest.run(events, test=np.full(20, bool(share)), timed=True)


def test_one_row_cannot_be_predicted_from_the_rows_before_it() -> None:
    with pytest.raises(backtest.NothingToTest, match="at least 2"):
        backtest.run(fleet(rows=1), test=None, timed=True)
