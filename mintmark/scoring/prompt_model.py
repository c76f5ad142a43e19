"""Prompt trust: fold evidence into per-prompt sums, one event after another.

    T_p = m_home + Σ_s g_s·R_s / (κ + Σ_s g_s·W_s)

Per prompt and source s, W is the weight of the evidence in runs and R the weighted sum of (score −
what an average prompt would have scored there); both forget with a half-life. m_home averages the
assistants of the prompt's home ritual equally. Outcomes and replays have g = 1; approvals and
ratings share one capped pool (`core.opinion`).

The kernel sees arrays only: no database, no clock, no random number. An event costs a constant,
whatever came before, and a log cut into slices anywhere gives the same bits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mintmark.scoring import decay, prompt_posterior, rating_fold
from mintmark.scoring.jit import njit
from mintmark.scoring.prompt_state import (
    OUTCOME,
    RATING,
    REPLAY,
    AssistantRituals,
    Bools,
    FleetSums,
    Floats,
    Ints,
    Pairs,
    PromptCohorts,
    PromptRaters,
    Prompts,
    Raters,
    ReputationState,
    Rituals,
)
from mintmark.scoring.reputation_constants import KernelConstants, ReputationPolicy

__all__ = [
    "OUTCOME",
    "RATING",
    "REPLAY",
    "AssistantRituals",
    "FleetSums",
    "Pairs",
    "PromptCohorts",
    "PromptRaters",
    "Prompts",
    "Raters",
    "ReputationEffects",
    "ReputationEvents",
    "ReputationState",
    "Rituals",
    "fold",
]

# The compiler reads a function's globals, not another module's attributes.
_decay_factor = decay.decay_factor
_home_mean = prompt_posterior.home_mean
_compute_sums = prompt_posterior.compute_sums
_compute_posterior = prompt_posterior.compute_posterior
_fold_opinion = rating_fold.fold_opinion


@dataclass(frozen=True, slots=True, kw_only=True)
class ReputationEvents:
    """Columns of one slice of the log, in log order. Row numbers point into `ReputationState`; −1 means that there is
    none.

    `baseline` is the pair model's expected score of an average prompt there (NaN where nothing was measured);
    `admissible` is False for what the caller rules out (a rating of one's own lineage, or without an entitlement and a
    recorded use): such an event changes nothing. Events of kinds without a source here (recall, clause) change nothing
    either.
    """

    kind: Ints
    prompt: Ints
    ritual: Ints
    assistant_ritual: Ints
    pair: Ints
    rater: Ints
    prompt_cohort: Ints
    prompt_rater: Ints
    score: Floats
    runs: Floats
    at_days: Floats
    baseline: Floats
    admissible: Bools


@dataclass(frozen=True, slots=True, kw_only=True)
class ReputationEffects:
    """The effect of each event. `offset` is what its score was compared with (NaN where nothing was); `weight` the
    effective runs it added to its source; the rest is the prompt's state right before and after."""

    offset: Floats
    weight: Floats
    trust_before: Floats
    trust_after: Floats
    effectiveness_after: Floats
    approval_after: Floats
    n_after: Floats


def fold(
    policy: ReputationPolicy, state: ReputationState, events: ReputationEvents
) -> ReputationEffects:
    """Fold a slice of the log into `state` (in place) and return what each event did.

    Raises ValueError when a row number points outside its group: a compiled kernel would not
    notice.
    """
    _check_rows(state, events)
    columns = np.empty((len(events.kind), 7))
    fold_kernel(
        policy.constants(),
        state.fleet,
        state.rituals,
        state.assistant_rituals,
        state.prompts,
        state.pairs,
        state.raters,
        state.prompt_cohorts,
        state.prompt_raters,
        events.kind,
        events.prompt,
        events.ritual,
        events.assistant_ritual,
        events.pair,
        events.rater,
        events.prompt_cohort,
        events.prompt_rater,
        events.score,
        events.runs,
        events.at_days,
        events.baseline,
        events.admissible,
        columns,
    )
    offset, weight, before, after, effectiveness, approval, n = columns.T.copy()
    return ReputationEffects(
        offset=offset,
        weight=weight,
        trust_before=before,
        trust_after=after,
        effectiveness_after=effectiveness,
        approval_after=approval,
        n_after=n,
    )


def _check_rows(state: ReputationState, events: ReputationEvents) -> None:
    limits = {
        "prompt": (0, len(state.prompts.at)),
        "ritual": (-1, len(state.rituals.kappa)),
        "assistant_ritual": (-1, len(state.assistant_rituals.baseline)),
        "pair": (-1, len(state.pairs.at)),
        "rater": (-1, len(state.raters.comparisons)),
        "prompt_cohort": (-1, len(state.prompt_cohorts.at)),
        "prompt_rater": (-1, len(state.prompt_raters.at)),
    }
    for name, (least, rows) in limits.items():
        column = getattr(events, name)
        outside = np.flatnonzero((column < least) | (column >= rows))
        if len(outside):
            raise ValueError(
                f"event {outside[0]} of the slice has {name} = {column[outside[0]]}, "
                f"outside {least}…{rows - 1}: load the row before folding"
            )


@njit
def record_baseline(
    fleet: FleetSums,
    rituals: Rituals,
    assistant_rituals: AssistantRituals,
    ritual: int,
    assistant_ritual: int,
    baseline: float,
) -> None:
    """Replace an assistant's last baseline by its newest in the ritual's and the fleet's mean."""
    if ritual < 0 or assistant_ritual < 0 or math.isnan(baseline):
        return
    known = rituals.assistants[ritual] > 0.0
    mean_before = rituals.baselines[ritual] / rituals.assistants[ritual] if known else 0.0
    last = assistant_rituals.baseline[assistant_ritual]
    if math.isnan(last):
        rituals.assistants[ritual] += 1.0
        rituals.baselines[ritual] += baseline
    else:
        rituals.baselines[ritual] += baseline - last
    assistant_rituals.baseline[assistant_ritual] = baseline
    if not known:
        fleet.rituals[0] += 1.0
    fleet.ritual_means[0] += rituals.baselines[ritual] / rituals.assistants[ritual] - mean_before


@njit
def effective_runs(runs: float, correlation: float) -> float:
    """The number of independent runs that `runs` correlated ones are worth: n/(1 + (n−1)·correlation), n itself up to
    1."""
    if runs <= 1.0:
        return runs
    return runs / (1.0 + (runs - 1.0) * correlation)


@njit
def fold_measured(
    constants: KernelConstants,
    prompts: Prompts,
    pairs: Pairs,
    prompt: int,
    pair: int,
    source: int,
    residual: float,
    runs: float,
) -> float:
    """Add `runs` (discounted by age) with one mean residual; returns the weight gained.

    The pair's whole contribution is replaced, so its runs weigh alike whichever came first.
    """
    if pair < 0:
        gained = effective_runs(runs, constants.run_correlation)
        prompts.weight[prompt, source] += gained
        prompts.residual[prompt, source] += gained * residual
        return gained
    at = prompts.at[prompt]
    decay_share = 0.0
    if not math.isnan(pairs.at[pair, source]):
        decay_share = _decay_factor(at - pairs.at[pair, source], constants.half_life_measured_days)
    runs_before = pairs.runs[pair, source]
    weight_before = 0.0
    residual_before = 0.0
    if runs_before > 0.0:
        weight_before = effective_runs(runs_before, constants.run_correlation)
        residual_before = weight_before * (pairs.residual[pair, source] / runs_before)
    pairs.runs[pair, source] = runs_before * decay_share + runs
    pairs.residual[pair, source] = pairs.residual[pair, source] * decay_share + runs * residual
    pairs.at[pair, source] = at
    weight_now = effective_runs(pairs.runs[pair, source], constants.run_correlation)
    residual_now = weight_now * (pairs.residual[pair, source] / pairs.runs[pair, source])
    gained = weight_now - weight_before * decay_share
    prompts.weight[prompt, source] += gained
    prompts.residual[prompt, source] += residual_now - residual_before * decay_share
    return gained


@njit
def start_prompt(constants: KernelConstants, prompts: Prompts, prompt: int, at_days: float) -> None:
    """Decay a prompt's row to an event's time; at its first event, inherit the parent's evidence."""
    sums = np.zeros((3, 4))
    as_of_days, home = _compute_sums(constants, prompts, prompt, at_days, sums)
    for s in range(4):
        prompts.weight[prompt, s] = sums[0, s]
        prompts.residual[prompt, s] = sums[1, s]
        prompts.inherited[prompt, s] = sums[2, s]
    prompts.at[prompt] = as_of_days
    prompts.home[prompt] = home
    prompts.started[prompt] = True


@njit
def fold_kernel(
    constants: KernelConstants,
    fleet: FleetSums,
    rituals: Rituals,
    assistant_rituals: AssistantRituals,
    prompts: Prompts,
    pairs: Pairs,
    rater_rows: Raters,
    prompt_cohorts: PromptCohorts,
    prompt_raters: PromptRaters,
    kinds: Ints,
    prompt_of: Ints,
    ritual_of: Ints,
    assistant_ritual_of: Ints,
    pair_of: Ints,
    rater_of: Ints,
    prompt_cohort_of: Ints,
    prompt_rater_of: Ints,
    scores: Floats,
    runs_of: Floats,
    at_days: Floats,
    baselines: Floats,
    admissible: Bools,
    effects: Floats,
) -> None:
    """Fold events one by one; `effects` (n, 7) receives the columns of `ReputationEffects` in their order."""
    sums = np.zeros((3, 4))
    for i in range(len(kinds)):
        prompt = prompt_of[i]
        source = kinds[i]
        moves = admissible[i] and source <= RATING
        if moves:
            start_prompt(constants, prompts, prompt, at_days[i])

        stands_at, home_ritual = _compute_sums(constants, prompts, prompt, at_days[i], sums)
        home = _home_mean(fleet, rituals, home_ritual)
        kappa = rituals.kappa[home_ritual] if home_ritual >= 0 else constants.kappa_default
        before = _compute_posterior(constants, kappa, home, sums)

        offset = math.nan
        gained = 0.0
        if moves and source <= REPLAY:
            if prompts.home[prompt] < 0:
                prompts.home[prompt] = ritual_of[i]
            record_baseline(
                fleet,
                rituals,
                assistant_rituals,
                ritual_of[i],
                assistant_ritual_of[i],
                baselines[i],
            )
            offset = baselines[i]
            fresh = _decay_factor(stands_at - at_days[i], constants.half_life_measured_days)
            gained = fold_measured(
                constants,
                prompts,
                pairs,
                prompt,
                pair_of[i],
                source,
                scores[i] - offset,
                runs_of[i] * fresh,
            )
            prompts.counted[prompt, source] += runs_of[i]
        elif moves:
            offset = home
            gained = _fold_opinion(
                constants,
                kappa,
                home,
                prompts,
                rater_rows,
                prompt_cohorts,
                prompt_raters,
                prompt,
                rater_of[i],
                prompt_cohort_of[i],
                prompt_rater_of[i],
                source,
                scores[i],
                at_days[i],
            )

        after = before
        if moves:
            _, home_ritual = _compute_sums(constants, prompts, prompt, at_days[i], sums)
            home = _home_mean(fleet, rituals, home_ritual)
            kappa = rituals.kappa[home_ritual] if home_ritual >= 0 else constants.kappa_default
            after = _compute_posterior(constants, kappa, home, sums)
        effects[i, 0] = offset
        effects[i, 1] = gained
        effects[i, 2] = before[0]
        effects[i, 3] = after[0]
        effects[i, 4] = after[1]
        effects[i, 5] = after[2]
        effects[i, 6] = after[3]
