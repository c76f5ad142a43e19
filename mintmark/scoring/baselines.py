"""Simple predictions of the next score, which the pair model must beat to be worth its cost.

Each is a mean of the runs seen before, with the weight of a few runs at the mean of everything: two runs for the plain
means, a number chosen on the past for the Bayes average.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mintmark.scoring import forecast_metrics
from mintmark.scoring.pair_model import Floats, Ints, PairEvents

PRIOR_RUNS = 2.0
STRENGTHS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)


@dataclass(frozen=True, slots=True)
class Baselines:
    """Predicted scores (n,) of each plain method, by its usual name."""

    global_mean: Floats
    assistant_mean: Floats
    prompt_mean: Floats
    prompt_bayes_average: Floats
    assistant_ritual_mean: Floats


def predict_ahead(events: PairEvents, *, learned: int) -> Baselines:
    """Predict every row from the rows before it.

    The Bayes average's strength is the one that did best on the first `learned` rows.
    """
    everything = np.zeros(len(events), dtype=np.int64)
    even_prior = np.full(len(events), 0.5)
    overall = _compute_running_mean(everything, events, prior=even_prior, strength=PRIOR_RUNS)
    strength = _find_best_strength(events, overall, learned)
    return Baselines(
        global_mean=overall,
        assistant_mean=_compute_running_mean(
            events.assistant, events, prior=overall, strength=PRIOR_RUNS
        ),
        prompt_mean=_compute_running_mean(
            events.prompt, events, prior=overall, strength=PRIOR_RUNS
        ),
        prompt_bayes_average=_compute_running_mean(
            events.prompt, events, prior=overall, strength=strength
        ),
        assistant_ritual_mean=_compute_running_mean(
            events.assistant_ritual, events, prior=overall, strength=PRIOR_RUNS
        ),
    )


def predict_test(train: PairEvents, test: PairEvents) -> Baselines:
    """Predict every row of `test` from all of `train`; indices mean the same in both."""
    everything = np.zeros(len(train), dtype=np.int64)
    even_prior = np.full(len(train), 0.5)
    running = _compute_running_mean(everything, train, prior=even_prior, strength=PRIOR_RUNS)
    strength = _find_best_strength(train, running, len(train))
    total = float(train.runs.sum())
    overall = (float((train.runs * train.score).sum()) + 0.5 * PRIOR_RUNS) / (total + PRIOR_RUNS)

    def mean(train_keys: Ints, test_keys: Ints, strength: float) -> Floats:
        size = 1 + int(max(train_keys.max(initial=0), test_keys.max(initial=0)))
        weight = np.bincount(train_keys, weights=train.runs, minlength=size)
        hits = np.bincount(train_keys, weights=train.runs * train.score, minlength=size)
        result: Floats = (hits[test_keys] + strength * overall) / (weight[test_keys] + strength)
        return result

    return Baselines(
        global_mean=np.full(len(test), overall),
        assistant_mean=mean(train.assistant, test.assistant, PRIOR_RUNS),
        prompt_mean=mean(train.prompt, test.prompt, PRIOR_RUNS),
        prompt_bayes_average=mean(train.prompt, test.prompt, strength),
        assistant_ritual_mean=mean(train.assistant_ritual, test.assistant_ritual, PRIOR_RUNS),
    )


def _compute_running_mean(
    key: Ints, events: PairEvents, *, prior: Floats, strength: float
) -> Floats:
    """Return for each row the mean of earlier rows with its key, with `strength` runs at prior."""
    order = np.argsort(key, kind="stable")
    first = np.diff(key[order], prepend=-1) != 0
    weight = _sum_before(events.runs[order], first)
    hits = _sum_before((events.runs * events.score)[order], first)
    result = np.empty(key.size)
    result[order] = (hits + strength * prior[order]) / (weight + strength)
    return np.clip(result, 0.0, 1.0)


def _sum_before(values: Floats, first: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Floats:
    """Return the sum of the values before each one in its group; groups start where `first`."""
    before = np.cumsum(values) - values
    group = np.cumsum(first) - 1
    result: Floats = before - before[first][group]
    return np.maximum(result, 0.0)


def _find_best_strength(events: PairEvents, overall: Floats, learned: int) -> float:
    head = slice(0, max(1, learned))

    def loss(strength: float) -> float:
        predicted = _compute_running_mean(events.prompt, events, prior=overall, strength=strength)
        return forecast_metrics.log_loss(predicted=predicted[head], score=events.score[head])

    return min(STRENGTHS, key=loss)
