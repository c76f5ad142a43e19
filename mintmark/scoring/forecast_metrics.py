"""Metrics of predicted scores. A fractional score counts as that share of a positive."""

from __future__ import annotations

import numpy as np

from mintmark.scoring.pair_model import Floats, Ints

FLOOR = 1e-6
"""Probabilities are clipped this far from 0 and 1, so that one confident error does not give an infinite loss."""

BINS = 10
MIN_GROUP_ROWS = 20
"""A group must have more rows than this for its rank correlation to count."""


def log_loss(*, predicted: Floats, score: Floats) -> float:
    p = np.clip(predicted, FLOOR, 1.0 - FLOOR)
    return -float(np.mean(score * np.log(p) + (1.0 - score) * np.log1p(-p)))


def brier(*, predicted: Floats, score: Floats) -> float:
    """Mean squared error to the score itself (for binary scores, Brier's; 1950)."""
    return float(np.mean((predicted - score) ** 2))


def ece(*, predicted: Floats, score: Floats) -> float:
    """Expected calibration error over ten equally wide bins (Naeini et al., AAAI 2015)."""
    bin_index = np.minimum((predicted * BINS).astype(np.int64), BINS - 1)
    gap = np.bincount(bin_index, weights=predicted - score, minlength=BINS)
    return float(np.abs(gap).sum() / predicted.size)


def auc(*, predicted: Floats, score: Floats) -> float | None:
    """Chance that a positive share is ranked over a negative one, ties half; None if one kind."""
    positive = float(score.sum())
    negative = score.size - positive
    if positive <= 0.0 or negative <= 0.0:
        return None
    levels, level = np.unique(predicted, return_inverse=True)
    up = np.bincount(level, weights=score, minlength=levels.size)
    down = np.bincount(level, weights=1.0 - score, minlength=levels.size)
    below = np.cumsum(down) - down
    return float((up * (below + 0.5 * down)).sum() / (positive * negative))


def ranks(values: Floats) -> Floats:
    """Return ranks from 0, ties sharing their mean."""
    _, level, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    result: Floats = (last - 0.5 * (counts + 1.0))[level]
    return result


def spearman(*, predicted: Floats, score: Floats) -> float | None:
    """Rank correlation; None where either side does not vary."""
    a, b = ranks(predicted), ranks(score)
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / norm if norm > 0.0 else None


def rank_within(*, predicted: Floats, score: Floats, group: Ints) -> float | None:
    """Mean Spearman correlation over groups of more than `MIN_GROUP_ROWS` rows whose scores vary.

    A group whose predictions do not vary counts as 0: no ranking was offered. None: no such group.
    """
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=group[order][:1] - 1))
    correlations = []
    for rows in np.split(order, starts[1:]):
        if rows.size <= MIN_GROUP_ROWS or np.ptp(score[rows]) == 0.0:
            continue
        correlations.append(spearman(predicted=predicted[rows], score=score[rows]) or 0.0)
    return float(np.mean(correlations)) if correlations else None
