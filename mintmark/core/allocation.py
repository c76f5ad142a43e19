"""Which case of a ritual to run next for both prompts, so that few runs decide, and the mean stays honest.

A case is drawn with a chance that is half its weight in the ritual and half Neyman's share (1934),
weight × standard deviation of its differences; what comes back counts weight ÷ chance, so at most
twice. The half that ignores what was seen keeps that bound, which the bets need, and goes on
watching cases that looked settled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mintmark.core.pairs import Floats, Ints

WATCHED = 0.5
"""The part of the draws that follows the ritual's weights alone; no pair counts more than 1/`WATCHED`."""
TOLD = 1.0
"""Passes' worth of pairs before a case's spread may steer anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """Cases to run, (n, draws), in this order. `weight` is what each pair counts, its case's weight in the ritual
    divided by the chance it had; `bound` is the largest weight that could have been drawn there.
    """

    case: Ints
    weight: Floats
    bound: Floats

    def part(self, chosen: slice) -> Draws:
        """The chosen draws of every comparison."""
        return Draws(
            case=self.case[:, chosen], weight=self.weight[:, chosen], bound=self.bound[:, chosen]
        )


def chances(*, weights: Floats, variance: Floats, pairs: Floats) -> Floats:
    """The chance of each case, (n, cases), from `variance` and `pairs` (n, cases) of what was seen."""
    keen = weights * np.sqrt(variance)
    keen = keen / keen.sum(axis=1)[:, None]
    told = pairs.sum(axis=1) >= TOLD * weights.size
    steered = WATCHED * weights + (1.0 - WATCHED) * keen
    return np.where(told[:, None], steered, weights)


def drawn(*, weights: Floats, chance: Floats, draws: int, rng: np.random.Generator) -> Draws:
    """Draw cases with these chances (n, cases), independently of each other; `weights` (cases,) the ritual's."""
    edges = chance.cumsum(axis=1)
    thrown = rng.random((chance.shape[0], draws))
    case = (thrown[:, :, None] >= edges[:, None, :-1]).sum(axis=2)
    ratio = weights / chance
    return Draws(
        case=case,
        weight=np.take_along_axis(ratio, case, axis=1),
        bound=np.broadcast_to(ratio.max(axis=1)[:, None], case.shape),
    )
