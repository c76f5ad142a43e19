"""Does the likeness of a prompt to an assistant's memory predict what the pair model does not know already?

    python -m benchmarks.prediction.affinity [--draws 3] [--entries 5] [--json]

The corpus's assistants remember nothing, so a memory is made for each from the training part alone: of every task the
`entries` prompts that served it best there ("served best"), as a check as many that it ran at all ("any it ran"), and
those that served it best on the other tasks only ("other tasks"). Affinity is a prompt's largest likeness to an entry
that is not itself, by spelling (`mintmark.textchecks.similarity`) or by the extra `embeddings`, less its mean over the
task's prompts. It shifts the pair model's log-odds by one weight, which is learned on the training part: each half is
predicted from the other, memories included. The draws are those of `benchmarks.prediction.multiprompt`.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import optimize, sparse, special

from benchmarks.prediction import corpora, multiprompt, tables
from mintmark.registry import embeddings
from mintmark.scoring import backtest, forecast_metrics
from mintmark.scoring.pair_model import Floats, Ints, PairEvents
from mintmark.textchecks import similarity

COLUMNS = ("log_loss", "ece", "rank_within", "weight", "gain", "draws_sd")
MEMORIES = ("served best", "any it ran", "other tasks")
_MOST_WEIGHT = 5.0
_NOBODY = -1.0


@dataclass(frozen=True, slots=True)
class Rows:
    """Who ran what, n rows: `prompt` indexes the corpus's texts."""

    assistant: Ints
    task: Ints
    prompt: Ints
    events: PairEvents

    def part(self, index: Ints) -> Rows:
        return Rows(
            self.assistant[index], self.task[index], self.prompt[index], self.events.select(index)
        )


def spelled(texts: list[str]) -> Floats:
    """The cosine of each two texts as `similarity.cosine` has it."""
    columns: dict[str, int] = {}
    row, column, count = [], [], []
    for n, text in enumerate(texts):
        for gram, times in similarity.count_trigrams(text).items():
            row.append(n)
            column.append(columns.setdefault(gram, len(columns)))
            count.append(float(times))
    grams = sparse.csr_matrix((count, (row, column)), shape=(len(texts), len(columns)))
    size = np.sqrt(np.asarray(grams.multiply(grams).sum(axis=1)).ravel())
    grams = sparse.diags(1.0 / np.maximum(size, 1.0)) @ grams
    return np.asarray((grams @ grams.T).toarray())


def likenesses(texts: list[str]) -> dict[str, Floats]:
    """By name, the likeness of each two texts; that of vectors where the extra is installed."""
    found = {"spelling": spelled(texts)}
    vectors = embeddings.load_bundled()
    if vectors is not None:
        rows = vectors.embed(texts)
        found["vectors"] = rows @ rows.T
    return found


def memories(rows: Rows, *, kind: str, entries: int, rng: np.random.Generator) -> dict[int, Ints]:
    """By assistant, the prompts whose texts it remembers."""
    runs, score = rows.events.runs, rows.events.score
    # Laplace's rule: a prompt that was right once is no better than one that was right three times.
    served = (score * runs + 1.0) / (runs + 2.0)
    if kind == "any it ran":
        served = rng.random(served.size)
    found: dict[int, list[int]] = {}
    order = np.lexsort((-served, rows.task, rows.assistant))
    keys = np.stack([rows.assistant[order], rows.task[order]])
    starts = np.flatnonzero(np.r_[True, (keys[:, 1:] != keys[:, :-1]).any(axis=0)])
    for start, end in zip(starts, np.r_[starts[1:], order.size], strict=True):
        best = order[start : min(start + entries, end)]
        found.setdefault(int(rows.assistant[best[0]]), []).extend(rows.prompt[best].tolist())
    return {assistant: np.unique(ids) for assistant, ids in found.items()}


def affinity(
    rows: Rows, *, remembered: Mapping[int, Ints], alike: Floats, task_of: Ints | None
) -> Floats:
    """Each row's largest likeness to an entry of its assistant, less the mean over the assistant's rows of that task.

    With `task_of` (the task of each text), entries of the row's own task are left out.
    """
    found = np.zeros(rows.prompt.size)
    for assistant in np.unique(rows.assistant):
        at = np.flatnonzero(rows.assistant == assistant)
        entries = remembered.get(int(assistant), np.empty(0, dtype=np.int64))
        if not entries.size:
            continue
        prompts = rows.prompt[at][:, None]
        likeness = alike[prompts, entries[None, :]]
        left_out = prompts == entries[None, :]
        if task_of is not None:
            left_out |= task_of[prompts] == task_of[entries][None, :]
        found[at] = np.where(left_out, _NOBODY, likeness).max(axis=1)
    found = np.maximum(found, 0.0)
    cell = np.unique(np.stack([rows.assistant, rows.task]), axis=1, return_inverse=True)[1].ravel()
    return found - (np.bincount(cell, found) / np.bincount(cell))[cell]


def shifted(expected: Floats, by: Floats) -> Floats:
    """Scores whose log-odds are shifted."""
    return np.asarray(special.expit(special.logit(np.clip(expected, 1e-6, 1.0 - 1e-6)) + by))


def learned(expected: Floats, x: Floats, events: PairEvents) -> float:
    """The weight of `x` under which the scores are most probable."""

    def surprise(weight: float) -> float:
        told = np.clip(shifted(expected, weight * x), 1e-9, 1.0 - 1e-9)
        hits = events.score * np.log(told) + (1.0 - events.score) * np.log(1.0 - told)
        return -float((events.runs * hits).sum())

    bounds = (-_MOST_WEIGHT, _MOST_WEIGHT)
    return float(optimize.minimize_scalar(surprise, bounds=bounds, method="bounded").x)


def draw(
    cells: corpora.Cells,
    alike: Mapping[str, Floats],
    *,
    seed: int,
    never_run: bool,
    entries: int,
) -> dict[str, dict[str, float]]:
    """Each method's figures on one draw."""
    events, is_test, index = multiprompt.drawn(cells, seed=seed, never_run=never_run)
    rows = Rows(cells.assistant[index], cells.task[index], cells.prompt[index], events)
    train, test = rows.part(np.flatnonzero(~is_test)), rows.part(np.flatnonzero(is_test))
    task_of = np.zeros(len(cells.texts), dtype=np.int64)
    task_of[cells.prompt] = cells.task
    rng = np.random.default_rng([seed, 1])
    # What was never run is foreseen from other prompts: then the halves share no prompt either.
    half = (rng.random(len(cells.texts)) < 0.5)[train.prompt]
    if not never_run:
        half = rng.random(train.prompt.size) < 0.5
    halves = [
        (np.flatnonzero(half == side), np.flatnonzero(half != side)) for side in (True, False)
    ]

    expected = np.empty(train.prompt.size)
    for inside, outside in halves:
        expected[outside] = backtest.predict_scores(
            train=train.events.select(inside), test_events=train.events.select(outside)
        )
    plain = backtest.predict_scores(train=train.events, test_events=test.events)
    found = {"pair model": _measured(plain, test)}
    for name, likeness in alike.items():
        for kind in MEMORIES:

            def asked(
                told: Rows, of: Rows, kind: str = kind, likeness: Floats = likeness
            ) -> Floats:
                return affinity(
                    of,
                    remembered=memories(told, kind=kind, entries=entries, rng=rng),
                    alike=likeness,
                    task_of=task_of if kind == "other tasks" else None,
                )

            x = np.empty(train.prompt.size)
            for inside, outside in halves:
                x[outside] = asked(train.part(inside), train.part(outside))
            weight = learned(expected, x, train.events)
            told = _measured(shifted(plain, weight * asked(train, test)), test)
            gain = found["pair model"]["log_loss"] - told["log_loss"]
            found[f"+ {name}, {kind}"] = told | {"weight": weight, "gain": gain}
    return found


def _measured(expected: Floats, rows: Rows) -> dict[str, float]:
    score = rows.events.score
    ranked = forecast_metrics.rank_within(
        predicted=expected, score=score, group=rows.events.assistant_ritual
    )
    return {
        "log_loss": forecast_metrics.log_loss(predicted=expected, score=score),
        "ece": forecast_metrics.ece(predicted=expected, score=score),
        "rank_within": float("nan") if ranked is None else ranked,
    }


def over(draws: list[dict[str, dict[str, float]]]) -> dict[str, dict[str, Any]]:
    """The mean of every figure over the draws, and how much the gain differs between them."""
    found: dict[str, dict[str, Any]] = {}
    for method, first in draws[0].items():
        row: dict[str, Any] = {
            figure: float(np.mean([one[method][figure] for one in draws])) for figure in first
        }
        if "gain" in row and len(draws) > 1:
            row["draws_sd"] = float(np.std([one[method]["gain"] for one in draws], ddof=1))
        found[method] = row
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--entries", type=int, default=5, help="of each task")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    cells = corpora.multiprompt()
    alike = likenesses(cells.texts)
    results = {
        title: over(
            [
                draw(cells, alike, seed=seed, never_run=never, entries=options.entries)
                for seed in range(options.draws)
            ]
        )
        for title, never in (("unseen cells", False), ("prompts never run", True))
    }
    if options.json:
        tables.dump({"draws": options.draws, "entries": options.entries, **results})
        return
    for title, rows in results.items():
        tables.show(f"{title} (mean of {options.draws})", rows, COLUMNS)


if __name__ == "__main__":
    main()
