"""Fold one reported outcome: the sums of the team that reports it, and its place in the prompt's sums."""

from __future__ import annotations

import math

from mintmark.scoring import claim_weights, decay
from mintmark.scoring.jit import njit
from mintmark.scoring.prompt_state import (
    CLAIM,
    CLAIMED,
    OUTCOME,
    OWN,
    REPLAY,
    WORD,
    WORDED,
    ClaimedPairs,
    Floats,
    Prompts,
    PromptTeams,
    Teams,
)
from mintmark.scoring.reputation_constants import KernelConstants

# The compiler reads a function's globals, not another module's attributes.
_decay_factor = decay.decay_factor
_run_variance = claim_weights.run_variance
_team_credibility = claim_weights.team_credibility
_team_capacity = claim_weights.team_capacity
_team_noise = claim_weights.team_noise
_team_weight = claim_weights.team_weight


@njit
def effective_runs(runs: float, correlation: float) -> float:
    """The number of independent runs that `runs` correlated ones are worth: n/(1 + (n−1)·correlation), n itself up to
    1."""
    if runs <= 1.0:
        return runs
    return runs / (1.0 + (runs - 1.0) * correlation)


@njit
def replace_pair(
    constants: KernelConstants,
    pair_runs: Floats,
    pair_residual: Floats,
    pair_at: Floats,
    pair: int,
    column: int,
    at: float,
    residual: float,
    runs: float,
) -> tuple[float, float]:
    """Add `runs` with one mean residual to a pair; returns the weight and the weighted residual that its sum gains.

    The pair's whole contribution is replaced, so its runs weigh alike whichever came first.
    """
    if pair < 0:
        gained = effective_runs(runs, constants.run_correlation)
        return gained, gained * residual
    decay_share = 0.0
    if not math.isnan(pair_at[pair, column]):
        decay_share = _decay_factor(at - pair_at[pair, column], constants.half_life_measured_days)
    runs_before = pair_runs[pair, column]
    weight_before = 0.0
    residual_before = 0.0
    if runs_before > 0.0:
        weight_before = effective_runs(runs_before, constants.run_correlation)
        residual_before = weight_before * (pair_residual[pair, column] / runs_before)
    pair_runs[pair, column] = runs_before * decay_share + runs
    pair_residual[pair, column] = pair_residual[pair, column] * decay_share + runs * residual
    pair_at[pair, column] = at
    weight_now = effective_runs(pair_runs[pair, column], constants.run_correlation)
    residual_now = weight_now * (pair_residual[pair, column] / pair_runs[pair, column])
    return weight_now - weight_before * decay_share, residual_now - residual_before * decay_share


@njit
def age_report(
    constants: KernelConstants, prompt_teams: PromptTeams, prompt_team: int, at_days: float
) -> float:
    """Decay what a team reports about a prompt to a time; returns the time it stands for, never before its own."""
    at = at_days
    if not math.isnan(prompt_teams.at[prompt_team]):
        at = max(at, prompt_teams.at[prompt_team])
        decay_share = _decay_factor(
            at - prompt_teams.at[prompt_team], constants.half_life_measured_days
        )
        for c in range(3):
            prompt_teams.weight[prompt_team, c] *= decay_share
            prompt_teams.residual[prompt_team, c] *= decay_share
    prompt_teams.at[prompt_team] = at
    return at


@njit
def place_report(
    constants: KernelConstants,
    kappa: float,
    home: float,
    prompts: Prompts,
    prompt_teams: PromptTeams,
    teams: Teams,
    prompt: int,
    prompt_team: int,
    team: int,
) -> None:
    """Replace a team's part of the prompt's claims and word by what its reports and its record are worth now.

    A team with fewer than `min_verdicts` verdicts has no record, so that all that it reports is word.
    """
    at = prompts.at[prompt]
    if not math.isnan(prompt_teams.placed_at[prompt_team]):
        share = _decay_factor(
            at - prompt_teams.placed_at[prompt_team], constants.half_life_measured_days
        )
        prompts.noise[prompt] -= prompt_teams.placed_noise[prompt_team] * share * share
        prompts.noise[prompt] = max(0.0, prompts.noise[prompt])
        for c in range(2):
            source = CLAIM + c
            weight = prompts.weight[prompt, source] - prompt_teams.placed[prompt_team, c] * share
            prompts.weight[prompt, source] = max(0.0, weight)
            prompts.residual[prompt, source] -= prompt_teams.placed_residual[prompt_team, c] * share

    proven = teams.verdicts[team] >= constants.min_verdicts
    claimed = prompt_teams.weight[prompt_team, CLAIMED]
    claimed_residual = prompt_teams.residual[prompt_team, CLAIMED]
    word = prompt_teams.weight[prompt_team, WORDED]
    word_residual = prompt_teams.residual[prompt_team, WORDED]
    if not proven:
        word += claimed
        word_residual += claimed_residual
        claimed = 0.0
        claimed_residual = 0.0
    variance = _run_variance(home)
    false_share = prompt_teams.false_share[prompt_team]
    if math.isnan(false_share):
        false_share = teams.false_share[team]
    capacity = _team_capacity(variance, constants.harness_sd, false_share, constants.false_distance)
    placed = _team_weight(claimed, capacity)
    if placed > 0.0:
        size = kappa + prompts.weight[prompt, OUTCOME] + prompts.weight[prompt, REPLAY]
        executed = prompts.residual[prompt, OUTCOME] + prompts.residual[prompt, REPLAY]
        placed *= _team_credibility(
            claimed,
            claimed_residual,
            executed / size,
            size,
            variance,
            constants.harness_sd,
            constants.team_tolerance,
        )
    placed_word = _team_weight(word, capacity)
    noise = _team_noise(placed, claimed, variance, constants.harness_sd)
    placed_residual = placed * (claimed_residual / claimed) if claimed > 0.0 else 0.0
    placed_word_residual = placed_word * (word_residual / word) if word > 0.0 else 0.0

    prompt_teams.placed[prompt_team, 0] = placed
    prompt_teams.placed[prompt_team, 1] = placed_word
    prompt_teams.placed_residual[prompt_team, 0] = placed_residual
    prompt_teams.placed_residual[prompt_team, 1] = placed_word_residual
    prompt_teams.placed_noise[prompt_team] = noise
    prompt_teams.placed_at[prompt_team] = at
    prompts.weight[prompt, CLAIM] += placed
    prompts.weight[prompt, WORD] += placed_word
    prompts.residual[prompt, CLAIM] += placed_residual
    prompts.residual[prompt, WORD] += placed_word_residual
    prompts.noise[prompt] += noise


@njit
def fold_report(
    constants: KernelConstants,
    kappa: float,
    home: float,
    prompts: Prompts,
    claimed_pairs: ClaimedPairs,
    prompt_teams: PromptTeams,
    teams: Teams,
    prompt: int,
    claimed_pair: int,
    prompt_team: int,
    team: int,
    column: int,
    at_days: float,
    score: float,
    runs: float,
    baseline: float,
    own_baseline: float,
) -> None:
    """Add a reported outcome. `column` is `CLAIMED` or `WORDED`, or −1 where it counts in the team's own view alone;
    then nothing of the prompt's sums changes."""
    stands_at = at_days
    if column >= 0:
        stands_at = max(stands_at, prompts.at[prompt])
    at = age_report(constants, prompt_teams, prompt_team, stands_at)
    fresh_runs = runs * _decay_factor(at - at_days, constants.half_life_measured_days)
    gained, residual = replace_pair(
        constants,
        claimed_pairs.runs,
        claimed_pairs.residual,
        claimed_pairs.at,
        claimed_pair,
        OWN,
        at,
        score - own_baseline,
        fresh_runs,
    )
    prompt_teams.weight[prompt_team, OWN] += gained
    prompt_teams.residual[prompt_team, OWN] += residual
    if column < 0:
        return
    gained, residual = replace_pair(
        constants,
        claimed_pairs.runs,
        claimed_pairs.residual,
        claimed_pairs.at,
        claimed_pair,
        column,
        at,
        score - baseline,
        fresh_runs,
    )
    prompt_teams.weight[prompt_team, column] += gained
    prompt_teams.residual[prompt_team, column] += residual
    place_report(constants, kappa, home, prompts, prompt_teams, teams, prompt, prompt_team, team)
