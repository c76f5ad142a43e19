"""Choose which case of a ritual to run next for both prompts, so that few runs decide and the mean stays unbiased.

A case is drawn with a chance that is half its weight in the ritual and half Neyman's share (1934), weight × standard
deviation of its differences; a result counts weight ÷ chance, so at most twice. The half that ignores results keeps
that bound, which the bets need, and keeps sampling cases that looked settled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mintmark.scoring.pair_model import Floats, Ints

WEIGHTED_SHARE = 0.5
"""The part of the draws that follows the ritual's weights alone; no pair counts more than 1/`WEIGHTED_SHARE`."""
WARMUP_PASSES = 1.0
"""The number of passes' worth of pairs before a case's spread changes its chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """Cases to run, (n, draws), in this order. `weight` is what each pair counts, its case's weight in the ritual
    divided by its chance; `max_weight` is the largest weight that could have been drawn there."""

    case: Ints
    weight: Floats
    max_weight: Floats

    def select(self, chosen: slice) -> Draws:
        """The chosen draws of every comparison."""
        return Draws(
            case=self.case[:, chosen],
            weight=self.weight[:, chosen],
            max_weight=self.max_weight[:, chosen],
        )


def compute_probabilities(*, weights: Floats, variance: Floats, pairs: Floats) -> Floats:
    """The chance of each case, (n, cases), from the `variance` and the number of `pairs` (n, cases) so far."""
    neyman_share = weights * np.sqrt(variance)
    neyman_share = neyman_share / neyman_share.sum(axis=1)[:, None]
    is_warmed_up = pairs.sum(axis=1) >= WARMUP_PASSES * weights.size
    mixed_share = WEIGHTED_SHARE * weights + (1.0 - WEIGHTED_SHARE) * neyman_share
    return np.where(is_warmed_up[:, None], mixed_share, weights)


def sample_cases(*, weights: Floats, chance: Floats, draws: int, rng: np.random.Generator) -> Draws:
    """Draw cases with these chances (n, cases), independently of each other; `weights` (cases,) the ritual's."""
    edges = chance.cumsum(axis=1)
    uniform_draws = rng.random((chance.shape[0], draws))
    case = (uniform_draws[:, :, None] >= edges[:, None, :-1]).sum(axis=2)
    ratio = weights / chance
    return Draws(
        case=case,
        weight=np.take_along_axis(ratio, case, axis=1),
        max_weight=np.broadcast_to(ratio.max(axis=1)[:, None], case.shape),
    )
