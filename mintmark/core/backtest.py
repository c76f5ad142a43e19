"""Would trust have predicted this fleet? The pair model and plain guesses on the same rows.

With a split, everything is learned from the training rows and the test rows are scored. Without
one, each row is predicted from the rows before it; priors are learned again whenever the past has
doubled, up to its first half, so no row is predicted with anything learned from later ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mintmark.core import baselines, intervals, metrics, pairs, predictions, priors
from mintmark.core.pair_policy import DEFAULT, PairPolicy
from mintmark.core.pairs import Floats, Ints, PairEvents

STAGES = (0.0, 0.125, 0.25, 0.5)
"""Shares of a log without a split at which priors are learned anew from all that came before."""

CHUNK = 20_000

Progress = Callable[[str], None]


class NothingToTest(ValueError):
    """There are no rows to learn from, or none to predict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """One method's figures; None where a figure does not apply."""

    log_loss: float
    brier: float
    ece: float
    auc: float | None
    spearman: float | None
    rank_within: float | None
    coverage_90: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Figures by method: `mintmark`, where texts are given also `mintmark_without_texts`, and the
    plain ones. `last_half` is None with a split."""

    rows: int
    policy: PairPolicy
    metrics: dict[str, Metrics]
    last_half: dict[str, Metrics] | None


@dataclass(frozen=True, slots=True)
class _Forecast:
    """What was predicted for n rows: mean and, for the pair model, variance of the score."""

    mean: Floats
    variance: Floats | None = None

    def part(self, rows: slice) -> _Forecast:
        return _Forecast(self.mean[rows], None if self.variance is None else self.variance[rows])


def run(
    events: PairEvents,
    *,
    test: NDArray[np.bool_] | None,
    timed: bool,
    progress: Progress = lambda _: None,
) -> Report:
    """Backtest on `events`, which are in time order (or, untimed, in the order of the file).

    `test` (n,) marks the test rows of a split. `timed` says whether `at_days` means anything: if
    not, and with a split, training rows are folded in a fixed mixed order, for the order of a file
    (all of one task, then the next) is no order of time. Raises `NothingToTest`.
    """
    reads = bool((~np.isnan(events.features[:, 0])).any())
    blind = replace(events, features=np.full((len(events.features), 1), np.nan))
    if test is not None:
        return _split(events, blind, test, timed=timed, reads=reads, progress=progress)
    if len(events) < 2:
        raise NothingToTest(f"{len(events)} rows: one step ahead needs at least 2")
    policy, forecast = _ahead(events, progress)
    forecasts = {"mintmark": forecast}
    if reads:
        progress("without texts")
        forecasts["mintmark_without_texts"] = _ahead(blind, progress)[1]
    plain = baselines.ahead(events, learned=len(events) // 2)
    forecasts |= {name: _Forecast(mean) for name, mean in _columns(plain).items()}
    half = slice(len(events) // 2, None)
    return Report(
        rows=len(events),
        policy=policy,
        metrics={name: _measure(f, events) for name, f in forecasts.items()},
        last_half={
            name: _measure(f.part(half), events.part(half)) for name, f in forecasts.items()
        },
    )


def predicted(*, train: PairEvents, held: PairEvents) -> Floats:
    """The scores that the pair model, learned from `train`, expects of the rows `held`, which are numbered alike."""
    return _fitted(train, held, lambda _: None)[1].mean


def _split(
    events: PairEvents,
    blind: PairEvents,
    test: NDArray[np.bool_],
    *,
    timed: bool,
    reads: bool,
    progress: Progress,
) -> Report:
    learned, asked = np.flatnonzero(~test), np.flatnonzero(test)
    if not learned.size or not asked.size:
        raise NothingToTest(
            f"the split has {learned.size} rows to train on and {asked.size} to test; both must "
            "be there"
        )
    if not timed:
        learned = learned[np.argsort(_mixed(learned), kind="stable")]
    train, held = events.part(learned), events.part(asked)
    policy, forecast = _fitted(train, held, progress)
    forecasts = {"mintmark": forecast}
    if reads:
        progress("without texts")
        forecasts["mintmark_without_texts"] = _fitted(
            blind.part(learned), blind.part(asked), progress
        )[1]
    plain = baselines.fitted(train, held)
    forecasts |= {name: _Forecast(mean) for name, mean in _columns(plain).items()}
    return Report(
        rows=len(events),
        policy=policy,
        metrics={name: _measure(f, held) for name, f in forecasts.items()},
        last_half=None,
    )


def _ahead(events: PairEvents, progress: Progress) -> tuple[PairPolicy, _Forecast]:
    n = len(events)
    bounds = [int(share * n) for share in STAGES] + [n]
    mean, variance = np.empty(n), np.empty(n)
    policy = DEFAULT
    for start, end in pairwise(bounds):
        if start > 0:
            policy = _learned(events.part(slice(0, start)), progress)
        past = events.part(slice(0, end))
        effects = pairs.fold(policy, priors.untouched(policy, past), past)
        rows = slice(start, end)
        mean[rows], variance[rows] = intervals.scores(
            policy, effects.logit_mean[rows], effects.logit_sd[rows]
        )
    return policy, _Forecast(mean, variance)


def _learned(events: PairEvents, progress: Progress) -> PairPolicy:
    progress(f"learning priors from {len(events)} rows")
    return priors.learn(events, start=DEFAULT)


def _fitted(
    train: PairEvents, held: PairEvents, progress: Progress
) -> tuple[PairPolicy, _Forecast]:
    policy = _learned(train, progress)
    state = priors.untouched(policy, _widest(train, held))
    pairs.fold(policy, state, train)
    _centre_new_rituals(state, held)
    now_days = float(max(train.at_days.max(), held.at_days.min()))
    mean, variance = np.empty(len(held)), np.empty(len(held))
    for start in range(0, len(held), CHUNK):
        rows = slice(start, start + CHUNK)
        asked = held.part(rows)
        prediction = predictions.predict(
            policy,
            state,
            predictions.PairRows(
                assistant=asked.assistant,
                ritual=asked.ritual,
                assistant_ritual=asked.assistant_ritual,
                prompt=asked.prompt,
                pair=asked.pair,
                features=asked.features[asked.prompt],
            ),
            now_days=now_days,
        )
        mean[rows], variance[rows] = prediction.trust, prediction.variance
    return policy, _Forecast(mean, variance)


def _widest(train: PairEvents, held: PairEvents) -> PairEvents:
    """Return events whose largest indices are those of both; their order means nothing."""
    return replace(
        train,
        assistant=np.concatenate([train.assistant, held.assistant]),
        ritual=np.concatenate([train.ritual, held.ritual]),
        assistant_ritual=np.concatenate([train.assistant_ritual, held.assistant_ritual]),
        pair=np.concatenate([train.pair, held.pair]),
    )


def _centre_new_rituals(state: pairs.PairState, held: PairEvents) -> None:
    """Give a ritual without training rows the mean of the texts that it is to be tested on.

    A ritual's prompts are known before any has run; only scores are kept from the model.
    """
    known = ~np.isnan(held.features[held.prompt, 0]) & (state.centre_count[held.ritual] == 0.0)
    if state.centre_sum.shape[1] == 0 or not known.any():
        return
    asked = np.unique(np.stack([held.ritual[known], held.prompt[known]]), axis=1)
    np.add.at(state.centre_count, asked[0], 1.0)
    np.add.at(state.centre_sum, asked[0], held.features[asked[1]])


def _mixed(index: Ints) -> NDArray[np.uint64]:
    """Return fixed, well-mixed numbers: multiplication by the golden ratio (Knuth, TAOCP 6.4)."""
    mixed = (index.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    return mixed ^ (mixed >> np.uint64(32))


def _columns(plain: baselines.Baselines) -> dict[str, Floats]:
    return asdict(plain)


def _measure(forecast: _Forecast, events: PairEvents) -> Metrics:
    predicted, score = forecast.mean, events.score
    covered = None
    if forecast.variance is not None:
        covered = intervals.coverage(
            mean=predicted, variance=forecast.variance, score=score, runs=events.runs
        )
    return Metrics(
        log_loss=metrics.log_loss(predicted=predicted, score=score),
        brier=metrics.brier(predicted=predicted, score=score),
        ece=metrics.ece(predicted=predicted, score=score),
        auc=metrics.auc(predicted=predicted, score=score),
        spearman=metrics.spearman(predicted=predicted, score=score),
        rank_within=metrics.rank_within(
            predicted=predicted, score=score, group=events.assistant_ritual
        ),
        coverage_90=covered,
    )
