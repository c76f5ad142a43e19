"""A pairing's trust and resonance from the terms that the fold left behind after an event."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mintmark.core import pairs
from mintmark.core.jit import njit
from mintmark.core.pair_policy import PairPolicy

Floats = NDArray[np.float64]

NINETY = 1.6448536269514722

# The compiler reads a function's globals, not another module's attributes.
_expected_score = pairs.expected_score
_logistic = pairs.logistic


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """Columns (n,): expected score with its 90% interval, and the lift of the pairing, in [−1, 1]."""

    trust: Floats
    low: Floats
    high: Floats
    resonance: Floats


def read(policy: PairPolicy, after: Floats) -> Readings:
    """Read `pairs.Effects.after` (n, 5); a row of NaN gives NaN. One element at a time, so that the bits do not
    depend on how many are read together. Formulas as in `predictions.predict`.
    """
    out = np.empty((len(after), 4))
    read_kernel(policy.interval_scale, np.ascontiguousarray(after), out)
    return Readings(trust=out[:, 0], low=out[:, 1], high=out[:, 2], resonance=out[:, 3])


@njit
def read_kernel(interval_scale: float, after: Floats, out: Floats) -> None:
    for i in range(len(after)):
        mean = after[i, 0]
        variance = after[i, 1] * after[i, 1]
        own = after[i, 2] + after[i, 3] + after[i, 4]
        half = NINETY * math.sqrt(interval_scale * variance)
        out[i, 0] = _expected_score(mean, variance)
        out[i, 1] = _logistic(mean - half)
        out[i, 2] = _logistic(mean + half)
        out[i, 3] = out[i, 0] - _expected_score(mean - own, variance)
