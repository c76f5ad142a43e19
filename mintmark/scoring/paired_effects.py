"""The gain of an edit: shares of success of a child and its parent, compared where both ran."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mintmark.scoring.pair_model import Floats

Z_90 = 1.6448536269514722


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedEffects:
    """Child less parent, in [−1, 1], with its 90% interval; `runs` is what the comparison is worth, n·n'/(n + n')."""

    value: Floats
    low: Floats
    high: Floats
    runs: Floats


def wilson_interval(*, share: Floats, runs: Floats) -> tuple[Floats, Floats]:
    """The 90% interval of a chance of which `share` of `runs` succeeded (Wilson 1927)."""
    z2 = Z_90 * Z_90
    middle = (share * runs + 0.5 * z2) / (runs + z2)
    half_width = Z_90 * np.sqrt(share * (1.0 - share) * runs + 0.25 * z2) / (runs + z2)
    return np.maximum(0.0, middle - half_width), np.minimum(1.0, middle + half_width)


def compare_per_stratum(
    *, child: Floats, child_runs: Floats, parent: Floats, parent_runs: Floats
) -> PairedEffects:
    """The gain in each stratum by itself: one assistant on one ritual.

    Both prompts' runs count as independent, so where they shared their cases the interval is rather too wide (Newcombe
    1998, method 10: Wilson's limits, squared and added).
    """
    low, high = wilson_interval(share=child, runs=child_runs)
    parent_low, parent_high = wilson_interval(share=parent, runs=parent_runs)
    value = child - parent
    return PairedEffects(
        value=value,
        low=value - np.sqrt((child - low) ** 2 + (parent_high - parent) ** 2),
        high=value + np.sqrt((high - child) ** 2 + (parent - parent_low) ** 2),
        runs=child_runs * parent_runs / (child_runs + parent_runs),
    )


def pool_effects(strata: PairedEffects) -> tuple[float, float, float, float]:
    """Value, low, high and runs of the mean gain over strata, each weighted by its `runs`.

    Its limits are those of the strata, squared and added (Zou & Donner 2008), and where the gains of several strata lie
    further apart than chance explains, at least 1.64 standard errors of their spread: so it covers these strata with
    90% or more, and similar ones as far as so few can.
    """
    total = float(strata.runs.sum())
    share = strata.runs / total
    value = float((share * strata.value).sum())
    below = float((share**2 * (strata.value - strata.low) ** 2).sum()) ** 0.5
    above = float((share**2 * (strata.high - strata.value) ** 2).sum()) ** 0.5
    if share.size > 1:
        spread = float((share * (strata.value - value) ** 2).sum()) / (share.size - 1)
        below, above = (max(side, Z_90 * spread**0.5) for side in (below, above))
    return value, max(-1.0, value - below), min(1.0, value + above), total
