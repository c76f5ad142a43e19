"""A pair's trust and resonance, from the terms that the fold stored after an event."""

from __future__ import annotations

from dataclasses import dataclass

from mintmark.scoring import intervals
from mintmark.scoring.pair_model import Floats
from mintmark.scoring.pair_priors import PairPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class PairReadout:
    """Columns (n,): expected score with its 90% interval, and the lift of the pair, in [−1, 1]."""

    trust: Floats
    low: Floats
    high: Floats
    resonance: Floats


def compute_readout(policy: PairPolicy, after: Floats) -> PairReadout:
    """Read `PairEffects.after` (n, 5); a row of NaN gives NaN. Formulas as in `pair_predictions.predict`.

    Only elementwise operations: the bits of a row do not depend on how many are read together.
    """
    mean, sd = after[:, 0], after[:, 1]
    trust, variance = intervals.expected_scores(policy, mean, sd)
    low, high = intervals.interval(trust, variance)
    alone, _ = intervals.expected_scores(policy, mean - after[:, 2] - after[:, 3] - after[:, 4], sd)
    return PairReadout(trust=trust, low=low, high=high, resonance=trust - alone)
