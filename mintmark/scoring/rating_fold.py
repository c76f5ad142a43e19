"""Fold one rating or approval: its rater, its weight, and the earlier one that it replaces."""

from __future__ import annotations

import math

from mintmark.scoring import decay, opinion_pool, rater_weights
from mintmark.scoring.jit import njit
from mintmark.scoring.prompt_state import (
    OUTCOME,
    RATING,
    REPLAY,
    PromptCohorts,
    PromptRaters,
    Prompts,
    Raters,
)
from mintmark.scoring.reputation_constants import KernelConstants

# The compiler reads a function's globals, not another module's attributes.
_decay_factor = decay.decay_factor
_cohort_weight = opinion_pool.cohort_weight
_rater_weight = rater_weights.weight
_rater_leniency = rater_weights.leniency


@njit
def remove_rating(
    constants: KernelConstants,
    prompts: Prompts,
    prompt_cohorts: PromptCohorts,
    prompt_raters: PromptRaters,
    prompt: int,
    prompt_cohort: int,
    prompt_rater: int,
) -> None:
    """Remove a rater's live rating from the prompt's sums and from the weight that its cohort has spent."""
    decay_share = _decay_factor(
        prompts.at[prompt] - prompt_raters.at[prompt_rater], constants.half_life_opinion_days
    )
    weight = prompt_raters.weight[prompt_rater] * decay_share
    prompts.weight[prompt, RATING] = max(0.0, prompts.weight[prompt, RATING] - weight)
    prompts.residual[prompt, RATING] -= weight * prompt_raters.residual[prompt_rater]
    prompts.counted[prompt, RATING] -= 1.0
    prompts.rated[prompt] -= prompt_raters.score[prompt_rater]
    if prompt_cohort >= 0:
        spent = prompt_raters.spent[prompt_rater] * decay_share
        prompt_cohorts.spent[prompt_cohort] = max(0.0, prompt_cohorts.spent[prompt_cohort] - spent)


@njit
def fold_opinion(
    constants: KernelConstants,
    kappa: float,
    home: float,
    prompts: Prompts,
    rater_rows: Raters,
    prompt_cohorts: PromptCohorts,
    prompt_raters: PromptRaters,
    prompt: int,
    rater: int,
    prompt_cohort: int,
    prompt_rater: int,
    source: int,
    score: float,
    at_days: float,
) -> float:
    """Add one rating or approval at the weight its rater has earned on other prompts; returns the
    weight gained.

    A rating takes the place of the same rater's earlier one, and an older one that arrives late
    does not. Approvals add up, inside their cohort's limit.
    """
    agreement = 0.0
    surplus = 0.0
    count = 0.0
    if rater >= 0:
        agreement = rater_rows.agreement[rater]
        surplus = rater_rows.surplus[rater]
        count = rater_rows.comparisons[rater]
    if prompt_rater >= 0:
        if source == RATING and prompt_raters.rated_at[prompt_rater] > at_days:
            return 0.0
        agreement -= prompt_raters.agreement[prompt_rater]
        surplus -= prompt_raters.surplus[prompt_rater]
        count -= prompt_raters.comparisons[prompt_rater]

    at = prompts.at[prompt]
    fresh = _decay_factor(at - at_days, constants.half_life_opinion_days)
    raw = _rater_weight(agreement, count) * fresh
    corrected = min(1.0, max(0.0, score - _rater_leniency(surplus, count)))
    residual = corrected - home

    gained = raw
    if prompt_cohort >= 0:
        if not math.isnan(prompt_cohorts.at[prompt_cohort]):
            prompt_cohorts.spent[prompt_cohort] *= _decay_factor(
                at - prompt_cohorts.at[prompt_cohort], constants.half_life_opinion_days
            )
        prompt_cohorts.at[prompt_cohort] = at
    if (
        source == RATING
        and prompt_rater >= 0
        and not math.isnan(prompt_raters.rated_at[prompt_rater])
    ):
        remove_rating(
            constants, prompts, prompt_cohorts, prompt_raters, prompt, prompt_cohort, prompt_rater
        )
    if prompt_cohort >= 0:
        spent = prompt_cohorts.spent[prompt_cohort]
        gained = _cohort_weight(spent + raw) - _cohort_weight(spent)
        prompt_cohorts.spent[prompt_cohort] = spent + raw

    prompts.weight[prompt, source] += gained
    prompts.residual[prompt, source] += gained * residual
    prompts.counted[prompt, source] += 1.0
    if source == RATING:
        prompts.rated[prompt] += score
        if prompt_rater >= 0:
            prompt_raters.weight[prompt_rater] = gained
            prompt_raters.spent[prompt_rater] = raw
            prompt_raters.residual[prompt_rater] = residual
            prompt_raters.at[prompt_rater] = at
            prompt_raters.score[prompt_rater] = score
            prompt_raters.rated_at[prompt_rater] = at_days

    if rater >= 0 and prompt_rater >= 0:
        runs = prompts.weight[prompt, OUTCOME] + prompts.weight[prompt, REPLAY]
        residuals = prompts.residual[prompt, OUTCOME] + prompts.residual[prompt, REPLAY]
        measured = home + residuals / (kappa + runs)
        # One measured run is half a comparison: nobody earns a record where nothing was measured.
        certainty = runs / (1.0 + runs)
        rater_rows.agreement[rater] = agreement + certainty * (1.0 - abs(score - measured))
        rater_rows.surplus[rater] = surplus + certainty * (score - measured)
        rater_rows.comparisons[rater] = count + certainty
        prompt_raters.agreement[prompt_rater] = certainty * (1.0 - abs(score - measured))
        prompt_raters.surplus[prompt_rater] = certainty * (score - measured)
        prompt_raters.comparisons[prompt_rater] = certainty
    return gained
