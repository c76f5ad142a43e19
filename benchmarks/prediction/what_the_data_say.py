"""Why a trust map: how much of a prompt's success is its own, and how much the pairing's?

    python -m benchmarks.prediction.what_the_data_say [--json]

Inside each task, accuracies y(prompt, assistant) over prompts run on every assistant of the task are
split into mean + assistant + prompt + interaction. The variances of the last two are freed of the
binomial noise of the 100 runs, y(1−y)/99 a cell. The rank correlation is of a prompt's mean over
the *other* assistants with its score on the one left out, mean over tasks and assistants.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from benchmarks.prediction import corpora, tables
from mintmark.scoring import forecast_metrics
from mintmark.scoring.pair_model import Floats

RUNS = 100
COLUMNS = ("prompts", "assistants", "sd_prompt", "sd_pairing", "rank")


def task_figures(table: Floats) -> dict[str, Any]:
    """Return the figures of one task from its full table, shape (prompts, assistants)."""
    prompts, assistants = table.shape
    prompt = table.mean(axis=1, keepdims=True)
    rest = table - prompt - table.mean(axis=0, keepdims=True) + table.mean()
    noise = float((table * (1.0 - table) / (RUNS - 1)).mean())
    pairing = float((rest**2).sum()) / ((prompts - 1) * (assistants - 1)) - noise
    own = float(prompt.var(ddof=1)) - (pairing + noise) / assistants
    ranks = [
        forecast_metrics.spearman(
            predicted=np.delete(table, a, axis=1).mean(axis=1), score=table[:, a]
        )
        for a in range(assistants)
    ]
    return {
        "prompts": prompts,
        "assistants": assistants,
        "var_prompt": own,
        "var_pairing": pairing,
        "sd_prompt": max(0.0, own) ** 0.5,
        "sd_pairing": max(0.0, pairing) ** 0.5,
        "rank": float(np.mean([rank for rank in ranks if rank is not None])),
    }


def tables_of(cells: corpora.Cells) -> dict[str, Floats]:
    """Return each task's table of the prompts that ran on every assistant of the task."""
    found = {}
    for task, name in enumerate(cells.tasks):
        rows = cells.task == task
        models = np.unique(cells.assistant[rows])
        first = int(cells.prompt[rows].min())
        table = np.full((int(cells.prompt[rows].max()) - first + 1, models.size), np.nan)
        table[cells.prompt[rows] - first, np.searchsorted(models, cells.assistant[rows])] = (
            cells.accuracy[rows]
        )
        found[name] = table[~np.isnan(table).any(axis=1)]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = {name: task_figures(t) for name, t in tables_of(corpora.multiprompt()).items()}
    every = list(found.values())
    found["all tasks"] = {
        "prompts": sum(one["prompts"] for one in every),
        "assistants": max(one["assistants"] for one in every),
        "sd_prompt": float(np.mean([one["var_prompt"] for one in every])) ** 0.5,
        "sd_pairing": float(np.mean([one["var_pairing"] for one in every])) ** 0.5,
        "rank": float(np.mean([one["rank"] for one in every])),
    }
    if options.json:
        tables.dump(found)
        return
    tables.show("task", found, COLUMNS)


if __name__ == "__main__":
    main()
