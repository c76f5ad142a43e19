"""What a pair of assistant and prompt has shown on each task, held apart from what it shows on others.

The pair model has parameters of the prompt and of the pair that all tasks share, so runs on one task move what it
expects on every other: right where nothing was measured, and wrong where much was. So a record keeps the mean of η as
its own task's events left it. As long as a pair is measured on one task, that is the model's own mean after the event.
From the second task on, an event moves the record of its task by the binomial likelihood from where the record was,
with the variance that the model has for it; what the other tasks taught in between does not move it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from mintmark.scoring.jit import njit
from mintmark.scoring.pair_model import Floats, Ints
from mintmark.scoring.posterior import posterior


@njit
def update_kernel(
    record: Ints,
    pair: Ints,
    mean_after: Floats,
    sd_before: Floats,
    weight: Floats,
    score: Floats,
    means: Floats,
    tasks: Ints,
    recorded: Floats,
) -> None:
    """Update `means` and `tasks` event by event, in place; write to `recorded` each record's mean after the event."""
    for i in range(record.size):
        r = record[i]
        if math.isnan(means[r]):
            tasks[pair[i]] += 1
            means[r] = mean_after[i]
        elif tasks[pair[i]] == 1:
            means[r] = mean_after[i]
        else:
            means[r], _, _ = posterior(means[r], sd_before[i] * sd_before[i], score[i], weight[i])
        recorded[i] = means[r]


def update_records(
    *,
    record: Ints,
    pair: Ints,
    after: Floats,
    before: Floats,
    score: Floats,
    means: Floats,
    tasks: Ints,
) -> Floats:
    """Return `PairEffects.after` (n, 5) of n events with the means of η (logit scale) that their tasks' records have.

    `record` and `pair` (n,) are positions in `means` (NaN: no event yet) and `tasks` (how many tasks each pair was
    measured on), which are updated in place and strictly event by event. `before` is `PairEffects.before` of the same
    events.
    """
    recorded: NDArray[np.float64] = after.copy()
    mean = np.empty(record.size)
    update_kernel(
        record,
        pair,
        np.ascontiguousarray(after[:, 0]),
        np.ascontiguousarray(before[:, 0]),
        np.ascontiguousarray(before[:, 1]),
        np.ascontiguousarray(score, dtype=np.float64),
        means,
        tasks,
        mean,
    )
    recorded[:, 0] = mean
    return recorded
