"""Backtest: the pair model and simple baselines, compared on the same rows of measured scores.

With a split, everything is learned from the training rows and the test rows are scored. Without one, each row is
predicted from the rows before it; priors are learned again whenever the past has doubled, up to its first half, so no
row is predicted with anything learned from later ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mintmark.scoring import (
    baselines,
    forecast_metrics,
    intervals,
    pair_model,
    pair_predictions,
    priors,
)
from mintmark.scoring.pair_model import Floats, Ints, PairEvents
from mintmark.scoring.pair_priors import DEFAULT_PAIR_POLICY, PairPolicy

STAGES = (0.0, 0.125, 0.25, 0.5)
"""Without a split, the shares of a log at which priors are learned again from all earlier rows."""

CHUNK = 20_000

Progress = Callable[[str], None]


class NothingToTest(ValueError):
    """There are no rows to learn from, or none to predict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestMetrics:
    """The metrics of one method; None where a metric does not apply."""

    log_loss: float
    brier: float
    ece: float
    auc: float | None
    spearman: float | None
    rank_within: float | None
    coverage_90: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestReport:
    """Metrics by method: `mintmark`, where texts are given also `mintmark_without_texts`, and the baselines.
    `last_half` is None with a split."""

    rows: int
    policy: PairPolicy
    metrics: dict[str, BacktestMetrics]
    last_half: dict[str, BacktestMetrics] | None


@dataclass(frozen=True, slots=True)
class _Forecast:
    """The predictions for n rows: mean and, for the pair model, variance of the score."""

    mean: Floats
    variance: Floats | None = None

    def select(self, rows: slice) -> _Forecast:
        return _Forecast(self.mean[rows], None if self.variance is None else self.variance[rows])


def run(
    events: PairEvents,
    *,
    test: NDArray[np.bool_] | None,
    timed: bool,
    progress: Progress = lambda _: None,
) -> BacktestReport:
    """Backtest on `events`, which are in time order (or, if not `timed`, in the order of the file).

    `test` (n,) marks the test rows of a split. `timed` says whether `at_days` is meaningful: if not, and with a split,
    training rows are folded in a fixed mixed order, since the order of a file (all of one task, then the next) is not
    an order of time. Raises `NothingToTest`.
    """
    reads = bool((~np.isnan(events.features[:, 0])).any())
    blind = replace(events, features=np.full((len(events.features), 1), np.nan))
    if test is not None:
        return _backtest_split(events, blind, test, timed=timed, reads=reads, progress=progress)
    if len(events) < 2:
        raise NothingToTest(f"{len(events)} rows: one step ahead needs at least 2")
    policy, forecast = _predict_ahead(events, progress)
    forecasts = {"mintmark": forecast}
    if reads:
        progress("without texts")
        forecasts["mintmark_without_texts"] = _predict_ahead(blind, progress)[1]
    plain = baselines.predict_ahead(events, learned=len(events) // 2)
    forecasts |= {name: _Forecast(mean) for name, mean in _to_columns(plain).items()}
    second_half = slice(len(events) // 2, None)
    return BacktestReport(
        rows=len(events),
        policy=policy,
        metrics={name: _measure(f, events) for name, f in forecasts.items()},
        last_half={
            name: _measure(f.select(second_half), events.select(second_half))
            for name, f in forecasts.items()
        },
    )


def predict_scores(*, train: PairEvents, test_events: PairEvents) -> Floats:
    """The scores that the pair model, learned from `train`, expects of the rows `test_events`; indices mean the same in
    both."""
    return _fit_and_predict(train, test_events, lambda _: None)[1].mean


def _backtest_split(
    events: PairEvents,
    blind: PairEvents,
    test: NDArray[np.bool_],
    *,
    timed: bool,
    reads: bool,
    progress: Progress,
) -> BacktestReport:
    train_rows, test_rows = np.flatnonzero(~test), np.flatnonzero(test)
    if not train_rows.size or not test_rows.size:
        raise NothingToTest(
            f"the split has {train_rows.size} rows to train on and {test_rows.size} to test; both must "
            "be there"
        )
    if not timed:
        train_rows = train_rows[np.argsort(_mix_index(train_rows), kind="stable")]
    train, test_events = events.select(train_rows), events.select(test_rows)
    policy, forecast = _fit_and_predict(train, test_events, progress)
    forecasts = {"mintmark": forecast}
    if reads:
        progress("without texts")
        forecasts["mintmark_without_texts"] = _fit_and_predict(
            blind.select(train_rows), blind.select(test_rows), progress
        )[1]
    plain = baselines.predict_test(train, test_events)
    forecasts |= {name: _Forecast(mean) for name, mean in _to_columns(plain).items()}
    return BacktestReport(
        rows=len(events),
        policy=policy,
        metrics={name: _measure(f, test_events) for name, f in forecasts.items()},
        last_half=None,
    )


def _predict_ahead(events: PairEvents, progress: Progress) -> tuple[PairPolicy, _Forecast]:
    n = len(events)
    bounds = [int(share * n) for share in STAGES] + [n]
    mean, variance = np.empty(n), np.empty(n)
    policy = DEFAULT_PAIR_POLICY
    for start, end in pairwise(bounds):
        if start > 0:
            policy = _learn_priors(events.select(slice(0, start)), progress)
        past = events.select(slice(0, end))
        effects = pair_model.fold(policy, priors.create_initial_state(policy, past), past)
        rows = slice(start, end)
        mean[rows], variance[rows] = intervals.expected_scores(
            policy, effects.logit_mean[rows], effects.logit_sd[rows]
        )
    return policy, _Forecast(mean, variance)


def _learn_priors(events: PairEvents, progress: Progress) -> PairPolicy:
    progress(f"learning priors from {len(events)} rows")
    return priors.learn(events, start=DEFAULT_PAIR_POLICY)


def _fit_and_predict(
    train: PairEvents, test_events: PairEvents, progress: Progress
) -> tuple[PairPolicy, _Forecast]:
    policy = _learn_priors(train, progress)
    state = priors.create_initial_state(policy, _combine_indices(train, test_events))
    pair_model.fold(policy, state, train)
    _centre_new_rituals(state, test_events)
    now_days = float(max(train.at_days.max(), test_events.at_days.min()))
    mean, variance = np.empty(len(test_events)), np.empty(len(test_events))
    for start in range(0, len(test_events), CHUNK):
        rows = slice(start, start + CHUNK)
        batch = test_events.select(rows)
        prediction = pair_predictions.predict(
            policy,
            state,
            pair_predictions.PairRows(
                assistant=batch.assistant,
                ritual=batch.ritual,
                assistant_ritual=batch.assistant_ritual,
                prompt=batch.prompt,
                pair=batch.pair,
                features=batch.features[batch.prompt],
            ),
            now_days=now_days,
        )
        mean[rows], variance[rows] = prediction.trust, prediction.variance
    return policy, _Forecast(mean, variance)


def _combine_indices(train: PairEvents, test_events: PairEvents) -> PairEvents:
    """Return events whose largest indices are those of both; their order has no meaning."""
    return replace(
        train,
        assistant=np.concatenate([train.assistant, test_events.assistant]),
        ritual=np.concatenate([train.ritual, test_events.ritual]),
        assistant_ritual=np.concatenate([train.assistant_ritual, test_events.assistant_ritual]),
        pair=np.concatenate([train.pair, test_events.pair]),
    )


def _centre_new_rituals(state: pair_model.PairState, test_events: PairEvents) -> None:
    """Give a ritual without training rows the mean features of the texts that it will be tested on.

    A ritual's prompts are known before any has run; only scores are hidden from the model.
    """
    known = ~np.isnan(test_events.features[test_events.prompt, 0]) & (
        state.centre_count[test_events.ritual] == 0.0
    )
    if state.centre_sum.shape[1] == 0 or not known.any():
        return
    ritual_prompts = np.unique(
        np.stack([test_events.ritual[known], test_events.prompt[known]]), axis=1
    )
    np.add.at(state.centre_count, ritual_prompts[0], 1.0)
    np.add.at(state.centre_sum, ritual_prompts[0], test_events.features[ritual_prompts[1]])


def _mix_index(index: Ints) -> NDArray[np.uint64]:
    """Return fixed, well-mixed numbers: multiplication by the golden ratio (Knuth, TAOCP 6.4)."""
    mixed = (index.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    return mixed ^ (mixed >> np.uint64(32))


def _to_columns(plain: baselines.Baselines) -> dict[str, Floats]:
    return asdict(plain)


def _measure(forecast: _Forecast, events: PairEvents) -> BacktestMetrics:
    predicted, score = forecast.mean, events.score
    covered = None
    if forecast.variance is not None:
        covered = intervals.coverage(
            mean=predicted, variance=forecast.variance, score=score, runs=events.runs
        )
    return BacktestMetrics(
        log_loss=forecast_metrics.log_loss(predicted=predicted, score=score),
        brier=forecast_metrics.brier(predicted=predicted, score=score),
        ece=forecast_metrics.ece(predicted=predicted, score=score),
        auc=forecast_metrics.auc(predicted=predicted, score=score),
        spearman=forecast_metrics.spearman(predicted=predicted, score=score),
        rank_within=forecast_metrics.rank_within(
            predicted=predicted, score=score, group=events.assistant_ritual
        ),
        coverage_90=covered,
    )
