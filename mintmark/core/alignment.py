"""How a prompt behaves in an assistant's hands: rules kept, memory kept, steadiness, drift by
forking.

Folded after `pairs.fold`, which says for each measured event what it expected and what an average
prompt would have scored there. Four plain sums a pair and one a prompt; nothing ages. The kernel
goes event by event, a constant cost each, so that a log cut anywhere gives the same bits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from mintmark.core.jit import njit

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

OUTCOME, REPLAY, RECALL, CLAUSE = 0, 1, 4, 5

# A prompt's compliance and a pair's memory start from Beta(1, 1): every share equally likely.
UNIFORM = 1.0
# Checks as which the prompt's record over all assistants counts for one of them.
COMPLIANCE_WEIGHT = 8.0
VOLATILITY_WEIGHT = 10.0
MUTATION_WEIGHT = 20.0
# Runs of one replay share its frame: n of them tell n/(1 + (n−1)·0.05) runs' worth about frames.
FRAME_CORRELATION = 0.05
LOWER, UPPER = 0.05, 0.95


class PairSums(NamedTuple):
    """Per (assistant, prompt).

    Clause checks `passed` of `checked`; memories `recalled` of `asked`; over replays, `spread` is
    Σ w·(e² − p̄(1−p̄)/n) and `spread_weight` Σ w; `runs` and `residual` sum score − baseline over
    measured runs. `parent` is the row of the same assistant with the prompt's parent, −1 for none;
    `forked` says that this assistant made the fork. `parent_runs` and `parent_residual` are the
    parent's sums when this pair had its first measured event, NaN before.
    """

    passed: Floats
    checked: Floats
    recalled: Floats
    asked: Floats
    spread: Floats
    spread_weight: Floats
    runs: Floats
    residual: Floats
    parent: Ints
    forked: Bools
    parent_runs: Floats
    parent_residual: Floats


class PromptSums(NamedTuple):
    """Per prompt, over all assistants and checks without one: clause checks `passed`, `checked`."""

    passed: Floats
    checked: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """All sums; one row of a group is one row of the database. `fold` works in place."""

    pairs: PairSums
    prompts: PromptSums

    @classmethod
    def untouched(cls, *, pairs: int, prompts: int) -> State:
        """Rows before any event, without parents and forks."""
        zeros = np.zeros
        return cls(
            pairs=PairSums(
                passed=zeros(pairs),
                checked=zeros(pairs),
                recalled=zeros(pairs),
                asked=zeros(pairs),
                spread=zeros(pairs),
                spread_weight=zeros(pairs),
                runs=zeros(pairs),
                residual=zeros(pairs),
                parent=np.full(pairs, -1, dtype=np.int64),
                forked=zeros(pairs, dtype=np.bool_),
                parent_runs=np.full(pairs, np.nan),
                parent_residual=np.full(pairs, np.nan),
            ),
            prompts=PromptSums(zeros(prompts), zeros(prompts)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """Columns of one slice of the log, in log order; row numbers point into `State`.

    `pair` is −1 where no assistant was involved (a clause check on the text alone). `expected` and
    `baseline` come from `pairs.fold`, NaN on kinds that are not measured. Approvals and ratings may
    stand among the events and move nothing.
    """

    kind: Ints
    prompt: Ints
    pair: Ints
    score: Floats
    runs: Floats
    expected: Floats
    baseline: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """One element a pair; NaN where there is nothing to say. Intervals are 90%.

    `symbolic_compliance`, `memory_fidelity` and `dreamframe_volatility` are in [0, 1],
    `mutation_bias` in [−1, 1]; `mutation_weight` is the runs as which the comparison with the
    parent counts before it is shrunk.
    """

    symbolic_compliance: Floats
    compliance_low: Floats
    compliance_high: Floats
    memory_fidelity: Floats
    memory_low: Floats
    memory_high: Floats
    dreamframe_volatility: Floats
    mutation_bias: Floats
    mutation_weight: Floats


def fold(state: State, events: Events) -> None:
    """Fold a slice of the log into `state`, in place.

    Raises ValueError when a row number points outside its group: a compiled kernel would not
    notice.
    """
    for name, least, rows in (
        ("prompt", 0, len(state.prompts.checked)),
        ("pair", -1, len(state.pairs.runs)),
    ):
        column = getattr(events, name)
        outside = np.flatnonzero((column < least) | (column >= rows))
        if len(outside):
            raise ValueError(
                f"event {outside[0]} of the slice has {name} = {column[outside[0]]}, "
                f"outside {least}…{rows - 1}: load the row before folding"
            )
    fold_kernel(
        state.pairs,
        state.prompts,
        events.kind,
        events.prompt,
        events.pair,
        events.score,
        events.runs,
        events.expected,
        events.baseline,
    )


@njit
def fold_kernel(
    pairs: PairSums,
    prompts: PromptSums,
    kinds: Ints,
    prompt_of: Ints,
    pair_of: Ints,
    scores: Floats,
    runs_of: Floats,
    expected: Floats,
    baselines: Floats,
) -> None:
    """Fold events one by one."""
    for i in range(len(kinds)):
        kind = kinds[i]
        pair = pair_of[i]
        runs = runs_of[i]
        if kind == CLAUSE:
            prompts.passed[prompt_of[i]] += scores[i] * runs
            prompts.checked[prompt_of[i]] += runs
        if pair < 0:
            continue
        if kind == CLAUSE:
            pairs.passed[pair] += scores[i] * runs
            pairs.checked[pair] += runs
        elif kind == RECALL:
            pairs.recalled[pair] += scores[i] * runs
            pairs.asked[pair] += runs
        elif kind in (OUTCOME, REPLAY):
            if math.isnan(pairs.parent_runs[pair]):
                parent = pairs.parent[pair]
                pairs.parent_runs[pair] = pairs.runs[parent] if parent >= 0 else 0.0
                pairs.parent_residual[pair] = pairs.residual[parent] if parent >= 0 else 0.0
            pairs.runs[pair] += runs
            pairs.residual[pair] += runs * (scores[i] - baselines[i])
            if kind == REPLAY:
                surprise = scores[i] - expected[i]
                noise = expected[i] * (1.0 - expected[i]) / runs
                weight = runs / (1.0 + (runs - 1.0) * FRAME_CORRELATION)
                pairs.spread[pair] += weight * (surprise * surprise - noise)
                pairs.spread_weight[pair] += weight


def measures(state: State, *, pairs: Ints, prompts: Ints) -> Measures:
    """The measures of the pairs in rows `pairs`, `prompts` being the prompt row of each.

    - symbolic compliance: Beta posterior mean of the pair's clause checks, prior of weight 8 at the
      prompt's own posterior mean over all assistants, itself from Beta(1, 1),
    - memory fidelity: Beta posterior mean over recall, prior Beta(1, 1),
    - dreamframe volatility: √max(0, Σ w(e² − p̄(1−p̄)/n) / (Σ w + 10)) over replays,
    - mutation bias: mean residual of this pair minus that of its parent after the fork, both over
      the same assistant, times h/(h + 20) with h = n·n'/(n + n') the runs of a comparison of n with
      n'; only for forks that this assistant made.

    `state` must hold the parents' rows of those pairs.
    """
    rows = state.pairs
    checked, passed = rows.checked[pairs], rows.passed[pairs]
    prompt_checked, prompt_passed = state.prompts.checked[prompts], state.prompts.passed[prompts]
    typical = (UNIFORM + prompt_passed) / (2.0 * UNIFORM + prompt_checked)
    compliance = _posterior(
        COMPLIANCE_WEIGHT * typical + passed,
        COMPLIANCE_WEIGHT * (1.0 - typical) + checked - passed,
        known=prompt_checked > 0.0,
    )
    asked, recalled = rows.asked[pairs], rows.recalled[pairs]
    memory = _posterior(UNIFORM + recalled, UNIFORM + asked - recalled, known=asked > 0.0)

    replayed = rows.spread_weight[pairs] > 0.0
    excess = rows.spread[pairs] / (rows.spread_weight[pairs] + VOLATILITY_WEIGHT)
    volatility = np.where(replayed, np.sqrt(np.maximum(0.0, excess)), np.nan)

    bias, weight = _mutation(rows, pairs)
    return Measures(
        symbolic_compliance=compliance[0],
        compliance_low=compliance[1],
        compliance_high=compliance[2],
        memory_fidelity=memory[0],
        memory_low=memory[1],
        memory_high=memory[2],
        dreamframe_volatility=volatility,
        mutation_bias=bias,
        mutation_weight=weight,
    )


def _posterior(passed: Floats, failed: Floats, *, known: Bools) -> tuple[Floats, Floats, Floats]:
    mean = np.where(known, passed / (passed + failed), np.nan)
    low = np.where(known, special.betaincinv(passed, failed, LOWER), np.nan)
    high = np.where(known, special.betaincinv(passed, failed, UPPER), np.nan)
    return mean, low, high


def _mutation(rows: PairSums, pairs: Ints) -> tuple[Floats, Floats]:
    parent = rows.parent[pairs]
    has_parent = rows.forked[pairs] & (parent >= 0) & (rows.runs[pairs] > 0.0)
    at = np.where(has_parent, parent, pairs)
    frozen_runs = np.where(has_parent, rows.parent_runs[pairs], rows.runs[at])
    frozen_residual = np.where(has_parent, rows.parent_residual[pairs], rows.residual[at])
    child_runs, parent_runs = rows.runs[pairs], rows.runs[at] - frozen_runs
    comparable = has_parent & (parent_runs > 0.0)
    child_mean = rows.residual[pairs] / np.where(comparable, child_runs, 1.0)
    parent_mean = (rows.residual[at] - frozen_residual) / np.where(comparable, parent_runs, 1.0)
    weight = np.where(
        comparable,
        child_runs * parent_runs / np.where(comparable, child_runs + parent_runs, 1.0),
        np.nan,
    )
    bias = (child_mean - parent_mean) * weight / (weight + MUTATION_WEIGHT)
    return bias, weight
