"""Four measures of a prompt used by an assistant: clause compliance, memory fidelity, volatility over replays, drift by
forks.

Folded after `pair_model.fold`, which gives for each measured event its prediction and what an average prompt would have
scored there. Four plain sums for each pair and one for each prompt; nothing decays. The kernel works event by event, at
a constant cost each, so that slicing the log anywhere gives the same bits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from mintmark.scoring.jit import njit

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
# Runs of one replay share its frame: n of them are worth n/(1 + (n−1)·0.05) runs of information about frames.
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
class PairMeasureState:
    """All sums; one row of a group is one row of the database. `fold` works in place."""

    pairs: PairSums
    prompts: PromptSums

    @classmethod
    def create_initial(cls, *, pairs: int, prompts: int) -> PairMeasureState:
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
class MeasureEvents:
    """Columns of one slice of the log, in log order; row numbers point into `PairMeasureState`.

    `pair` is −1 where no assistant was involved (a clause check on the text alone). `expected` and `baseline` come from
    `pair_model.fold`, NaN on kinds that are not measured. Approvals and ratings may be among the events and change
    nothing. `is_shared` is False for a check by somebody with an interest in the prompt or no right to it: it is in the
    pair's record, and not in the prompt's. Without that column all are shared.
    """

    kind: Ints
    prompt: Ints
    pair: Ints
    score: Floats
    runs: Floats
    expected: Floats
    baseline: Floats
    is_shared: Bools | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureEffects:
    """A pair's four measures right after each event, (n,); NaN where there is no observation or no pair. They equal
    what `measure_pairs` would have returned then."""

    symbolic_compliance: Floats
    memory_fidelity: Floats
    dreamframe_volatility: Floats
    mutation_bias: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class PairMeasures:
    """One element for each pair; NaN where there is no observation. Intervals are 90%.

    `symbolic_compliance`, `memory_fidelity` and `dreamframe_volatility` are in [0, 1], `mutation_bias` in [−1, 1].
    """

    symbolic_compliance: Floats
    compliance_low: Floats
    compliance_high: Floats
    memory_fidelity: Floats
    memory_low: Floats
    memory_high: Floats
    dreamframe_volatility: Floats
    mutation_bias: Floats


def fold(state: PairMeasureState, events: MeasureEvents) -> MeasureEffects:
    """Fold a slice of the log into `state`, in place; return each pair's measures after each event.

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
    after = np.full((len(events.kind), 4), np.nan)
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
        np.ones(len(events.kind), dtype=np.bool_) if events.is_shared is None else events.is_shared,
        after,
    )
    compliance, memory, volatility, mutation = after.T.copy()
    return MeasureEffects(
        symbolic_compliance=compliance,
        memory_fidelity=memory,
        dreamframe_volatility=volatility,
        mutation_bias=mutation,
    )


@njit
def read_pair(pairs: PairSums, prompts: PromptSums, pair: int, prompt: int, after: Floats) -> None:
    """Write the four measures of one pair, as `measure_pairs` computes them, into `after` (4,)."""
    if prompts.checked[prompt] > 0.0:
        typical = (UNIFORM + prompts.passed[prompt]) / (2.0 * UNIFORM + prompts.checked[prompt])
        passed = COMPLIANCE_WEIGHT * typical + pairs.passed[pair]
        after[0] = passed / (COMPLIANCE_WEIGHT + pairs.checked[pair])
    if pairs.asked[pair] > 0.0:
        after[1] = (UNIFORM + pairs.recalled[pair]) / (2.0 * UNIFORM + pairs.asked[pair])
    if pairs.spread_weight[pair] > 0.0:
        excess = pairs.spread[pair] / (pairs.spread_weight[pair] + VOLATILITY_WEIGHT)
        after[2] = math.sqrt(max(0.0, excess))
    parent = pairs.parent[pair]
    if pairs.forked[pair] and parent >= 0 and pairs.runs[pair] > 0.0:
        parent_runs = pairs.runs[parent] - pairs.parent_runs[pair]
        if parent_runs > 0.0:
            since = pairs.residual[parent] - pairs.parent_residual[pair]
            weight = pairs.runs[pair] * parent_runs / (pairs.runs[pair] + parent_runs)
            drift = pairs.residual[pair] / pairs.runs[pair] - since / parent_runs
            after[3] = drift * weight / (weight + MUTATION_WEIGHT)


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
    is_shared: Bools,
    after: Floats,
) -> None:
    """Fold events one by one; `after` (n, 4) receives the columns of `MeasureEffects` in their order."""
    for i in range(len(kinds)):
        kind = kinds[i]
        pair = pair_of[i]
        runs = runs_of[i]
        if kind == CLAUSE and is_shared[i]:
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
        read_pair(pairs, prompts, pair, prompt_of[i], after[i])


def measure_pairs(state: PairMeasureState, *, pairs: Ints, prompts: Ints) -> PairMeasures:
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
    read = np.full((len(pairs), 4), np.nan)
    read_kernel(state.pairs, state.prompts, pairs, prompts, read)
    compliance, memory, volatility, mutation = read.T.copy()
    checks = COMPLIANCE_WEIGHT + state.pairs.checked[pairs]
    recalls = 2.0 * UNIFORM + state.pairs.asked[pairs]
    return PairMeasures(
        symbolic_compliance=compliance,
        compliance_low=_quantile(compliance, checks, LOWER),
        compliance_high=_quantile(compliance, checks, UPPER),
        memory_fidelity=memory,
        memory_low=_quantile(memory, recalls, LOWER),
        memory_high=_quantile(memory, recalls, UPPER),
        dreamframe_volatility=volatility,
        mutation_bias=mutation,
    )


@njit
def read_kernel(
    pairs: PairSums, prompts: PromptSums, pair_of: Ints, prompt_of: Ints, read: Floats
) -> None:
    """Write the four measures of each pair into the rows of `read` (n, 4), NaN on entry."""
    for i in range(len(pair_of)):
        read_pair(pairs, prompts, pair_of[i], prompt_of[i], read[i])


def _quantile(mean: Floats, n: Floats, level: float) -> Floats:
    return np.asarray(special.betaincinv(mean * n, (1.0 - mean) * n, level), dtype=float)
