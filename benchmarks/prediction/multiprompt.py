"""Unseen cells, and prompts never run: 17 tasks, 30% of cells revealed at 1 to 3 of their 100 runs.

    python -m benchmarks.prediction.multiprompt [--draws 3] [--json]

Each draw reveals cells at random and draws binomial outcomes from their 100-run accuracies; the
test is the full accuracy of the other cells ("unseen cells"), or of all cells of a quarter of the
prompts, of which nothing was revealed ("never run"). `oracle` predicts the accuracies themselves.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.prediction import corpora, tables
from mintmark.scoring import backtest, forecast_metrics
from mintmark.scoring.pair_model import Ints, PairEvents

SHARE = 0.3
HELD_PROMPTS = 0.25
COLUMNS = ("log_loss", "brier", "ece", "auc", "spearman", "rank_within", "coverage_90")


def drawn(
    cells: corpora.Cells, *, seed: int, never_run: bool
) -> tuple[PairEvents, NDArray[np.bool_], Ints]:
    """Return one draw: its rows, those that are to be tested, and which cell each row is."""
    rng = np.random.default_rng(seed)
    held = rng.random(len(cells.texts)) < (HELD_PROMPTS if never_run else 0.0)
    shown = (rng.random(cells.accuracy.size) < SHARE) & ~held[cells.prompt]
    train = rng.permutation(np.flatnonzero(shown))
    test = np.flatnonzero(held[cells.prompt] if never_run else ~shown)
    runs = rng.integers(1, 4, train.size)
    rows = np.concatenate([train, test])
    hits = rng.binomial(runs, cells.accuracy[train]) / runs
    events = corpora.events(
        assistant=cells.assistant[rows],
        task=cells.task[rows],
        prompt=cells.prompt[rows],
        score=np.concatenate([hits, cells.accuracy[test]]),
        runs=np.concatenate([runs, np.full(test.size, 100)]).astype(np.float64),
        at_days=np.zeros(rows.size),
        features=cells.features(),
    )
    return events, np.arange(rows.size) >= train.size, rows


def draw(cells: corpora.Cells, *, seed: int, never_run: bool) -> dict[str, dict[str, Any]]:
    """Return each method's figures on one draw."""
    events, is_test, rows = drawn(cells, seed=seed, never_run=never_run)
    report = backtest.run(events, test=is_test, timed=False)
    truth = cells.accuracy[rows[is_test]]
    found = {name: asdict(figures) for name, figures in report.metrics.items()}
    found["oracle"] = {"log_loss": forecast_metrics.log_loss(predicted=truth, score=truth)}
    return found


def mean_of(draws: list[dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Return the mean of every figure over the draws; None where it applies to none."""

    def mean(method: str, figure: str) -> float | None:
        values = [one[method].get(figure) for one in draws]
        known = [value for value in values if value is not None]
        return float(np.mean(known)) if known else None

    return {method: {figure: mean(method, figure) for figure in COLUMNS} for method in draws[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    cells = corpora.multiprompt()
    results = {
        title: mean_of([draw(cells, seed=seed, never_run=never) for seed in range(options.draws)])
        for title, never in (("unseen cells", False), ("prompts never run", True))
    }
    if options.json:
        tables.dump({"draws": options.draws, **results})
        return
    for title, rows in results.items():
        tables.show(f"{title} (mean of {options.draws})", rows, COLUMNS)


if __name__ == "__main__":
    main()
