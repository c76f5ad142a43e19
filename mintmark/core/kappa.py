"""Learn how much the prior weighs: κ of each ritual and the correlation of runs on one assistant.

A nested random-effects model, by moments (as DerSimonian and Laird 1986 for a meta-analysis):
inside a ritual, prompts differ with variance τ², one prompt differs between assistants with
variance χ², and one run varies by what is left of m(1−m). Then κ = (run + χ²)/τ², the runs (each on
another assistant) that tell as much about a prompt as knowing the ritual does, and χ²/(χ² + run) is
the correlation of two runs of one prompt on one assistant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mintmark.core import reputation
from mintmark.core.reputation import Floats, Ints, State
from mintmark.core.reputation_policy import ReputationPolicy

LEAST, MOST = 6.0, 40.0
# Fewer prompts than this, in all rituals together, teach nothing: the policy stays as it is.
FEWEST_PROMPTS = 8
# A ritual's own τ² counts as its number of prompts, the estimate over all rituals as this many.
POOLED_PROMPTS = 10.0
# A learned correlation stays in here. The least bounds what one assistant can say of a prompt,
# however often it says it, to 1/0.02 = 50 runs; more than the most is the noise of few pairs.
LEAST_CORRELATED, MOST_CORRELATED = 0.02, 0.5


def learn(
    policy: ReputationPolicy, state: State, *, pair_prompt: Ints, ritual_keys: Sequence[str]
) -> ReputationPolicy:
    """`policy` with κ per ritual, default κ and run correlation learned from a whole folded state.

    `pair_prompt` is the prompt row of each pair row, `ritual_keys` the key of each ritual row. Only
    what a prompt earned itself counts; inheritance and opinion are left out. Deterministic; with
    fewer than eight measured prompts the policy comes back unchanged.
    """
    runs = state.pairs.runs.sum(axis=1)
    seen = np.flatnonzero(runs > 0.0)
    prompt = pair_prompt[seen]
    ritual_of_prompt = state.prompts.home
    known = ritual_of_prompt[prompt] >= 0
    seen, prompt = seen[known], prompt[known]
    runs = runs[seen]
    mean = state.pairs.residual[seen].sum(axis=1) / runs
    prompts = len(ritual_of_prompt)
    measured = np.bincount(prompt, minlength=prompts) > 0
    if int(measured.sum()) < FEWEST_PROMPTS:
        return policy

    rituals = len(ritual_keys)
    home = np.array(
        [reputation.home_mean(state.fleet, state.rituals, g) for g in range(rituals)], dtype=float
    )
    bernoulli = home * (1.0 - home)
    between_assistants = 0.0
    between_prompts = np.zeros(rituals)
    pooled = 0.0
    # Each variance is what the others leave of m(1−m); they settle within a few rounds.
    for _ in range(20):
        single = np.maximum(0.02, bernoulli - between_prompts - between_assistants)
        between_assistants = _between_assistants(
            prompt, runs, mean, noise=single[ritual_of_prompt[prompt]], prompts=prompts
        )
        correlation = between_assistants / (between_assistants + float(np.mean(single)))
        between_prompts, pooled = _between_prompts(
            prompt,
            weight=runs / (1.0 + np.maximum(0.0, runs - 1.0) * correlation),
            mean=mean,
            variance=single + between_assistants,
            ritual=ritual_of_prompt,
            measured=measured,
        )
    kappa = np.clip((single + between_assistants) / np.maximum(between_prompts, 1e-9), LEAST, MOST)
    default = float(np.clip(np.mean(single + between_assistants) / max(pooled, 1e-9), LEAST, MOST))
    has_prompts = np.bincount(ritual_of_prompt[measured], minlength=rituals) > 0
    return replace(
        policy,
        kappa={key: float(kappa[g]) for g, key in enumerate(ritual_keys) if has_prompts[g]},
        kappa_default=default,
        run_correlation=float(np.clip(correlation, LEAST_CORRELATED, MOST_CORRELATED)),
    )


def _between_assistants(
    prompt: Ints, runs: Floats, mean: Floats, *, noise: Floats, prompts: int
) -> float:
    """Variance of a prompt's true score between assistants, beyond the noise of runs."""
    total = np.bincount(prompt, runs, minlength=prompts)
    centre = np.bincount(prompt, runs * mean, minlength=prompts) / np.maximum(total, 1e-12)
    pairs = np.bincount(prompt, minlength=prompts)
    squares = np.bincount(prompt, runs * runs, minlength=prompts) / np.maximum(total, 1e-12)
    spread = float(np.sum(runs * (mean - centre[prompt]) ** 2))
    expected = float(np.sum(noise * (1.0 - 1.0 / pairs[prompt])))
    room = float(np.sum(total - squares))
    return max(0.0, (spread - expected) / room) if room > 1e-9 else 0.0


def _between_prompts(
    prompt: Ints,
    *,
    weight: Floats,
    mean: Floats,
    variance: Floats,
    ritual: Ints,
    measured: reputation.Bools,
) -> tuple[Floats, float]:
    """Variance of prompts' true scores inside each ritual, and over all of them together."""
    prompts, rituals = len(ritual), len(variance)
    total = np.bincount(prompt, weight, minlength=prompts)[measured]
    level = np.bincount(prompt, weight * mean, minlength=prompts)[measured] / total
    g = ritual[measured]
    of_ritual = np.bincount(g, total, minlength=rituals)
    safe = np.maximum(of_ritual, 1e-12)
    centre = np.bincount(g, total * level, minlength=rituals) / safe
    spread = np.bincount(g, total * (level - centre[g]) ** 2, minlength=rituals)
    number = np.bincount(g, minlength=rituals).astype(float)
    excess = spread - np.maximum(0.0, number - 1.0) * variance
    room = of_ritual - np.bincount(g, total * total, minlength=rituals) / safe
    all_room = float(np.sum(room))
    pooled = max(0.0, float(np.sum(excess)) / all_room) if all_room > 1e-9 else 0.0
    own = np.where(room > 1e-9, excess / np.where(room > 1e-9, room, 1.0), pooled)
    share = number / (number + POOLED_PROMPTS)
    return np.maximum(0.0, share * own + (1.0 - share) * pooled), pooled
