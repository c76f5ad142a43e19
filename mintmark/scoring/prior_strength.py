"""Learn how much the prior weighs: κ of each ritual and the correlation of runs on one assistant.

A nested random-effects model, by moments (as DerSimonian and Laird 1986 for a meta-analysis). With
V = m(1−m) the variance of a run of a prompt drawn from the ritual, prompts differ with variance τ²,
a prompt differs between assistants with variance χ², and what is left, V − τ² − χ², is the run's
own noise. Then κ = (V − τ²)/τ², the runs (each on another assistant) that tell as much about a
prompt as knowing its ritual does, and χ²/(V − τ²) is the correlation of two runs of one prompt on
one assistant.

Each estimate is shrunk by its own sampling error: a ritual's τ² to that of all rituals, that one
and χ² to what the policy says already. A log of single runs tells nothing of either, and changes
nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mintmark.scoring import prompt_posterior
from mintmark.scoring.prompt_state import Floats, Ints, ReputationState
from mintmark.scoring.reputation_constants import ReputationPolicy

MIN_KAPPA, MAX_KAPPA = 6.0, 40.0
# A learned correlation stays within these bounds. The lower one limits the weight of one assistant's runs of a prompt,
# however many, to 1/0.02 = 50 runs; a value above the upper one is the noise of few pairs.
MIN_CORRELATION, MAX_CORRELATION = 0.02, 0.5
# The weights of pairs depend on the correlation that is learned; they settle within a few rounds.
ROUNDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class _MeasuredPairs:
    """One element a measured pair: its prompt and ritual (row numbers), runs, mean residual."""

    prompt: Ints
    ritual: Ints
    runs: Floats
    mean: Floats


def learn(
    policy: ReputationPolicy,
    state: ReputationState,
    *,
    pair_prompt: Ints,
    ritual_keys: Sequence[str],
) -> ReputationPolicy:
    """`policy` with κ per ritual, default κ and run correlation learned from a whole folded state.

    `pair_prompt` is the prompt row of each pair row, `ritual_keys` the key of each ritual row. Only
    what prompts were measured at themselves counts, no inheritance and no opinion. Deterministic;
    without a measured pair the policy comes back unchanged.
    """
    pairs = _select_measured_pairs(state, pair_prompt=pair_prompt)
    if not len(pairs.runs):
        return policy
    rituals = len(ritual_keys)
    home = np.array(
        [prompt_posterior.home_mean(state.fleet, state.rituals, g) for g in range(rituals)],
        dtype=float,
    )
    run = np.clip(home * (1.0 - home), 0.02, 0.25)
    mean_run = float(np.mean(run[pairs.ritual]))

    correlation = policy.run_correlation
    for _ in range(ROUNDS):
        distinct = pairs.runs / (1.0 + np.maximum(0.0, pairs.runs - 1.0) * correlation)
        excess, room, free = _sum_between_prompts(pairs, distinct, run=run)
        pooled = _shrink_variance(
            float(excess.sum()),
            float(room.sum()),
            free=float(free.sum()),
            noise=mean_run,
            towards=mean_run / (1.0 + policy.kappa_default),
        )
        own = np.array(
            [
                _shrink_variance(excess[g], room[g], free=free[g], noise=run[g], towards=pooled)
                for g in range(rituals)
            ]
        )
        noise = np.maximum(0.02, run - own)
        correlation = _estimate_correlation(pairs, noise=noise, known=policy.run_correlation)
    kappa = np.clip(run / np.maximum(own, 1e-9) - 1.0, MIN_KAPPA, MAX_KAPPA)
    return replace(
        policy,
        kappa={ritual_keys[g]: float(kappa[g]) for g in np.unique(pairs.ritual)},
        kappa_default=float(np.clip(mean_run / max(pooled, 1e-9) - 1.0, MIN_KAPPA, MAX_KAPPA)),
        run_correlation=correlation,
    )


def _select_measured_pairs(state: ReputationState, *, pair_prompt: Ints) -> _MeasuredPairs:
    runs = state.pairs.runs.sum(axis=1)
    ritual = state.prompts.home[pair_prompt]
    rows = np.flatnonzero((runs > 0.0) & (ritual >= 0))
    return _MeasuredPairs(
        prompt=pair_prompt[rows],
        ritual=ritual[rows],
        runs=runs[rows],
        mean=state.pairs.residual[rows].sum(axis=1) / runs[rows],
    )


def _shrink_variance(
    excess: float, room: float, *, free: float, noise: float, towards: float
) -> float:
    """excess/room, shrunk `towards` a variance that is itself known to its own size only.

    The error of excess with `free` degrees of freedom is that of a χ² of what it is expected to be.
    """
    if room <= 0.0 or free <= 0.0:
        return towards
    error = math.sqrt(2.0 * free) * (noise + towards * room / free) / room
    trusted = towards * towards / (towards * towards + error * error)
    return max(0.0, trusted * excess / room + (1.0 - trusted) * towards)


def _sum_between_prompts(
    pairs: _MeasuredPairs, distinct: Floats, *, run: Floats
) -> tuple[Floats, Floats, Floats]:
    """Per ritual: τ² times room, the room, and the degrees of freedom.

    With weights w and k prompts, E Σw(r − r̄)² = (k−1)(V − τ²) + (Σw − Σw²/Σw)·τ².
    """
    of_prompt, prompt = np.unique(pairs.prompt, return_inverse=True)
    weight = np.bincount(prompt, distinct)
    level = np.bincount(prompt, distinct * pairs.mean) / weight
    ritual = np.empty(len(of_prompt), dtype=np.int64)
    ritual[prompt] = pairs.ritual

    rituals = len(run)
    total = np.maximum(np.bincount(ritual, weight, minlength=rituals), 1e-12)
    centre = np.bincount(ritual, weight * level, minlength=rituals) / total
    spread = np.bincount(ritual, weight * (level - centre[ritual]) ** 2, minlength=rituals)
    free = np.maximum(0.0, np.bincount(ritual, minlength=rituals) - 1.0)
    room = total - np.bincount(ritual, weight * weight, minlength=rituals) / total - free
    return spread - free * run, np.maximum(0.0, room), free


def _estimate_correlation(pairs: _MeasuredPairs, *, noise: Floats, known: float) -> float:
    """χ²/(V − τ²) from how much more than binomially a prompt's means differ by assistant.

    Inside a prompt with k assistants, E Σn(r − r̄)² = (k−1)(V − τ² − χ²) + (Σn − Σn²/Σn)·χ².
    """
    _, prompt = np.unique(pairs.prompt, return_inverse=True)
    total = np.bincount(prompt, pairs.runs)
    centre = np.bincount(prompt, pairs.runs * pairs.mean) / total
    number = np.bincount(prompt)
    # In units of V − τ², so that rituals of different noise can be added up.
    unit = noise[pairs.ritual]
    spread = float(np.sum(pairs.runs * (pairs.mean - centre[prompt]) ** 2 / unit))
    free = float(np.sum(number - 1.0))
    room = float(np.sum(total - np.bincount(prompt, pairs.runs * pairs.runs) / total)) - free
    learned = _shrink_variance(spread - free, room, free=free, noise=1.0, towards=known)
    return float(np.clip(learned, MIN_CORRELATION, MAX_CORRELATION))
