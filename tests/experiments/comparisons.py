"""Comparisons to simulate: prompts whose chances on each case are known, watched at every look."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mintmark.experiments import allocation, decision, sequential_test
from mintmark.experiments.case_statistics import CaseSums
from mintmark.scoring.pair_model import Floats, Ints

FEW_POINTS: Floats = np.array([-0.03, 0.0, 0.03])
"""Enough of the grid to decide; what is bet against one m does not depend on the others."""


@dataclass(frozen=True)
class Prompts:
    """The chances (cases,) with which a run of each case succeeds, of the first and of the second prompt."""

    first: Floats
    second: Floats

    @property
    def difference(self) -> float:
        return float((self.first - self.second).mean())

    @property
    def within(self) -> Floats:
        """Variance of d on each case."""
        return self.first * (1.0 - self.first) + self.second * (1.0 - self.second)

    @property
    def variance(self) -> float:
        """Variance of d of a case chosen at random."""
        return float(self.within.mean() + (self.first - self.second).var())

    def run(self, case: Ints, rng: np.random.Generator) -> Floats:
        """d of one run of each prompt on each of these cases."""
        won = (rng.random(case.shape) < self.first[case]).astype(float)
        return won - (rng.random(case.shape) < self.second[case])


@dataclass(frozen=True)
class Graded(Prompts):
    """Scores that are no coins: d is small and positive nine times of ten, and far off the other way the tenth."""

    def run(self, case: Ints, rng: np.random.Generator) -> Floats:
        return np.where(rng.random(case.shape) < 0.9, 0.1, -0.9) + (self.first - self.second)[case]


@dataclass(frozen=True)
class Watched:
    """What became of each comparison, (n,): pairs until its first decision (infinite for none), and the decision."""

    pairs: Floats
    decision: Ints

    def share(self, wanted: decision.Decision) -> float:
        """The share of comparisons that ended so."""
        return float((self.decision == decision.DECISIONS.index(wanted)).mean())


def watch(
    prompts: Prompts,
    *,
    comparisons: int,
    most: int,
    rng: np.random.Generator,
    passes: int = 0,
    at_once: int = 1,
    margin: float | None = None,
) -> Watched:
    """Run comparisons until each is decided or has `most` pairs, and look after every pair.

    `passes` whole passes come first, `at_once` pairs are drawn from one state. That two prompts are
    equal counts as decided only where a `margin` is given (0.03).
    """
    cases = prompts.first.size
    state = sequential_test.start(
        weights=np.ones(cases), points=FEW_POINTS, comparisons=comparisons
    )
    pairs, decision = np.full(comparisons, np.inf), np.full(comparisons, 3)
    going = np.arange(comparisons)
    used = 0
    while used < most and going.size:
        if used < passes * cases:
            every = np.broadcast_to(np.arange(cases), (going.size, cases))
            state = sequential_test.update_pass(state, differences=prompts.run(every, rng))
            used += cases
        else:
            draws = sequential_test.draw(state, pairs=at_once, rng=rng)
            differences = prompts.run(draws.case, rng)
            for i in range(at_once):
                here = slice(i, i + 1)
                state = sequential_test.update(
                    state, draws=draws.select(here), differences=differences[:, here]
                )
                # The most that wealth was is kept, so a look at the end of these pairs sees them all.
            used += at_once
        now = _decided(state, margin is not None)
        done = now < 3
        pairs[going[done]], decision[going[done]] = used, now[done]
        state, going = _rows(state, ~done), going[~done]
    return Watched(pairs, decision)


@contextmanager
def drawn_by_weight() -> Iterator[None]:
    """While it lasts, what was seen steers no draw: every case is drawn by its weight in the ritual alone."""
    share, allocation.WEIGHTED_SHARE = allocation.WEIGHTED_SHARE, 1.0
    try:
        yield
    finally:
        allocation.WEIGHTED_SHARE = share


def _rows(
    state: sequential_test.ComparisonState, kept: NDArray[np.bool_]
) -> sequential_test.ComparisonState:
    cases = state.cases
    return replace(
        state,
        cases=CaseSums(pairs=cases.pairs[kept], sums=cases.sums[kept], squares=cases.squares[kept]),
        total=state.total[kept],
        squares=state.squares[kept],
        wealth=state.wealth[kept],
        best=state.best[kept],
    )


def _decided(state: sequential_test.ComparisonState, equal_too: bool) -> Ints:
    refuted = state.best >= 2.0 / sequential_test.ALPHA
    equal = refuted[:, 0, 0] & refuted[:, 1, 2] & equal_too
    return np.select([refuted[:, 0, 1], refuted[:, 1, 1], equal], [0, 1, 2], default=3)
