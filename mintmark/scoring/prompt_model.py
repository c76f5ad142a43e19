"""Prompt trust: fold evidence into per-prompt sums, one event after another.

    T_p = m_home + Σ_s g_s·R_s / (κ + Σ_s g_s·W_s)

Per prompt and source s, W is the weight of the evidence in runs and R the weighted sum of (score − what an average
prompt would have scored there); both forget with a half-life. m_home averages the assistants of the prompt's home
ritual equally. Executed outcomes and replays have g = 1; what teams claim of theirs counts as far as it is proven
(`scoring.claim_weights`); approvals and ratings share one capped pool, and mere word has a smaller one
(`scoring.opinion_pool`). Baselines are learned from executed runs alone.

The kernel sees arrays only: no database, no clock, no random number. An event costs a constant,
whatever came before, and a log cut into slices anywhere gives the same bits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mintmark.scoring import claim_fold, decay, prompt_posterior, rating_fold
from mintmark.scoring.jit import njit
from mintmark.scoring.prompt_state import (
    CLAIM,
    CLAIMED,
    OUTCOME,
    RATING,
    REPLAY,
    SOURCE_COUNT,
    WORDED,
    AssistantRituals,
    Bools,
    ClaimedPairs,
    FleetSums,
    Floats,
    Ints,
    Pairs,
    PromptCohorts,
    PromptRaters,
    Prompts,
    PromptTeams,
    Raters,
    ReputationState,
    Rituals,
    TeamRituals,
    Teams,
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
_age_report = claim_fold.age_report
_fold_report = claim_fold.fold_report
_place_report = claim_fold.place_report
_replace_pair = claim_fold.replace_pair

# Numbered as `common.provenance`: up to the first, evidence counts in full; up to the last, for others at all.
VOUCHED, CLAIMED_PROVENANCE, WORD_PROVENANCE, INTERESTED = 1, 2, 3, 4
# Numbered as `common.evidence_kinds`.
REWEIGH_TEAM, REWEIGH_PROMPT = 6, 7


@dataclass(frozen=True, slots=True, kw_only=True)
class ReputationEvents:
    """Columns of one slice of the log, in log order. Row numbers point into `ReputationState`; −1 means that there is
    none.

    `baseline` is the pair model's expected score of an average prompt there (NaN where nothing was measured);
    `admissible` is False for what the caller rules out (a rating of one's own lineage, or without an entitlement and a
    recorded use): such an event changes nothing. Events of kinds without a source here (recall, clause) change nothing
    either. A reweigh says in `score` what share of a team's claims is false: of all, by `runs` verdicts, or of those
    about this prompt.

    `provenance` is numbered as `common.provenance`; `team`, `prompt_team`, `claimed_pair` and `team_ritual` are the
    rows of the team that reports it, and `own_baseline` is as `baseline`, in that team's own view. Without these
    columns everything was executed, and no team has a view of its own.
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
    provenance: Ints | None = None
    team: Ints | None = None
    prompt_team: Ints | None = None
    claimed_pair: Ints | None = None
    team_ritual: Ints | None = None
    own_baseline: Floats | None = None


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
    nowhere = np.full(len(events.kind), -1, dtype=np.int64)

    def rows_or_none(rows: Ints | None) -> Ints:
        return nowhere if rows is None else rows

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
        state.claimed_pairs,
        state.prompt_teams,
        state.teams,
        state.team_rituals,
        events.kind,
        np.zeros_like(nowhere) if events.provenance is None else events.provenance,
        events.prompt,
        events.ritual,
        events.assistant_ritual,
        events.pair,
        events.rater,
        events.prompt_cohort,
        events.prompt_rater,
        rows_or_none(events.team),
        rows_or_none(events.prompt_team),
        rows_or_none(events.claimed_pair),
        rows_or_none(events.team_ritual),
        events.score,
        events.runs,
        events.at_days,
        events.baseline,
        np.full(len(nowhere), np.nan) if events.own_baseline is None else events.own_baseline,
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
        "team": (-1, len(state.teams.verdicts)),
        "prompt_team": (-1, len(state.prompt_teams.at)),
        "claimed_pair": (-1, len(state.claimed_pairs.at)),
        "team_ritual": (-1, len(state.team_rituals.assistants)),
    }
    for name, (least, rows) in limits.items():
        column = getattr(events, name)
        if column is None:
            continue
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
def record_own_baseline(
    assistant_rituals: AssistantRituals,
    team_rituals: TeamRituals,
    assistant_ritual: int,
    team_ritual: int,
    baseline: float,
) -> None:
    """As `record_baseline`, in the mean of the ritual in the team's own view."""
    if assistant_ritual < 0 or team_ritual < 0 or math.isnan(baseline):
        return
    last = assistant_rituals.own_baseline[assistant_ritual]
    if math.isnan(last):
        team_rituals.assistants[team_ritual] += 1.0
        team_rituals.baselines[team_ritual] += baseline
    else:
        team_rituals.baselines[team_ritual] += baseline - last
    assistant_rituals.own_baseline[assistant_ritual] = baseline


@njit
def start_prompt(constants: KernelConstants, prompts: Prompts, prompt: int, at_days: float) -> None:
    """Decay a prompt's row to an event's time; at its first event, inherit the parent's evidence."""
    sums = np.zeros((3, SOURCE_COUNT))
    as_of_days, home, noise = _compute_sums(constants, prompts, prompt, at_days, sums)
    for s in range(SOURCE_COUNT):
        prompts.weight[prompt, s] = sums[0, s]
        prompts.residual[prompt, s] = sums[1, s]
        prompts.inherited[prompt, s] = sums[2, s]
    prompts.noise[prompt] = noise
    prompts.at[prompt] = as_of_days
    prompts.home[prompt] = home
    prompts.started[prompt] = True


@njit
def choose_home(prompts: Prompts, prompt: int, ritual: int, executed: bool) -> None:
    """The first measured ritual is the prompt's home; the first executed one takes its place."""
    ran = prompts.counted[prompt, OUTCOME] + prompts.counted[prompt, REPLAY] > 0.0
    if prompts.home[prompt] < 0 or (executed and not ran):
        prompts.home[prompt] = ritual


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
    claimed_pairs: ClaimedPairs,
    prompt_teams: PromptTeams,
    teams: Teams,
    team_rituals: TeamRituals,
    kinds: Ints,
    provenances: Ints,
    prompt_of: Ints,
    ritual_of: Ints,
    assistant_ritual_of: Ints,
    pair_of: Ints,
    rater_of: Ints,
    prompt_cohort_of: Ints,
    prompt_rater_of: Ints,
    team_of: Ints,
    prompt_team_of: Ints,
    claimed_pair_of: Ints,
    team_ritual_of: Ints,
    scores: Floats,
    runs_of: Floats,
    at_days: Floats,
    baselines: Floats,
    own_baselines: Floats,
    admissible: Bools,
    effects: Floats,
) -> None:
    """Fold events one by one; `effects` (n, 7) receives the columns of `ReputationEffects` in their order."""
    sums = np.zeros((3, SOURCE_COUNT))
    for i in range(len(kinds)):
        prompt = prompt_of[i]
        source = kinds[i]
        provenance = provenances[i]
        team = team_of[i]
        prompt_team = prompt_team_of[i]
        is_measured = admissible[i] and source <= REPLAY
        is_executed = is_measured and provenance <= VOUCHED
        is_reported = is_measured and not is_executed and prompt_team >= 0
        is_public = provenance <= WORD_PROVENANCE
        is_opinion = admissible[i] and is_public and REPLAY < source <= RATING
        is_reweigh = source in (REWEIGH_TEAM, REWEIGH_PROMPT) and prompt_team >= 0
        moves = is_executed or (is_reported and is_public) or is_opinion or is_reweigh
        if moves:
            start_prompt(constants, prompts, prompt, at_days[i])

        stands_at, home_ritual, noise = _compute_sums(constants, prompts, prompt, at_days[i], sums)
        home = _home_mean(fleet, rituals, home_ritual)
        kappa = rituals.kappa[home_ritual] if home_ritual >= 0 else constants.kappa_default
        before = _compute_posterior(constants, kappa, home, sums, noise)

        offset = math.nan
        gained = 0.0
        placed_claim = 0.0
        placed_word = 0.0
        if prompt_team >= 0 and not math.isnan(prompt_teams.placed_at[prompt_team]):
            placed_claim = prompt_teams.placed[prompt_team, 0]
            placed_word = prompt_teams.placed[prompt_team, 1]
        if is_measured:
            offset = baselines[i]
            record_own_baseline(
                assistant_rituals,
                team_rituals,
                assistant_ritual_of[i],
                team_ritual_of[i],
                own_baselines[i],
            )
        if is_executed:
            choose_home(prompts, prompt, ritual_of[i], True)
            record_baseline(
                fleet,
                rituals,
                assistant_rituals,
                ritual_of[i],
                assistant_ritual_of[i],
                baselines[i],
            )
            fresh = _decay_factor(stands_at - at_days[i], constants.half_life_measured_days)
            gained, residual = _replace_pair(
                constants,
                pairs.runs,
                pairs.residual,
                pairs.at,
                pair_of[i],
                source,
                prompts.at[prompt],
                scores[i] - offset,
                runs_of[i] * fresh,
            )
            prompts.weight[prompt, source] += gained
            prompts.residual[prompt, source] += residual
            prompts.counted[prompt, source] += runs_of[i]
        elif is_reported:
            column = -1
            if provenance <= INTERESTED:
                choose_home(prompts, prompt, ritual_of[i], False)
            if is_public:
                column = CLAIMED if provenance == CLAIMED_PROVENANCE else WORDED
                prompts.counted[prompt, CLAIM + column] += runs_of[i]
            _fold_report(
                constants,
                kappa,
                home,
                prompts,
                claimed_pairs,
                prompt_teams,
                teams,
                prompt,
                claimed_pair_of[i],
                prompt_team,
                team,
                column,
                at_days[i],
                scores[i],
                runs_of[i],
                baselines[i],
                own_baselines[i],
            )
        elif is_reweigh:
            if source == REWEIGH_TEAM:
                teams.false_share[team] = scores[i]
                teams.verdicts[team] = runs_of[i]
            else:
                prompt_teams.false_share[prompt_team] = scores[i]
            _age_report(constants, prompt_teams, prompt_team, prompts.at[prompt])
            _place_report(
                constants, kappa, home, prompts, prompt_teams, teams, prompt, prompt_team, team
            )
        elif is_opinion:
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
            _, home_ritual, noise = _compute_sums(constants, prompts, prompt, at_days[i], sums)
            home = _home_mean(fleet, rituals, home_ritual)
            kappa = rituals.kappa[home_ritual] if home_ritual >= 0 else constants.kappa_default
            after = _compute_posterior(constants, kappa, home, sums, noise)
            if is_reported or is_reweigh:
                gained = after[4] * (prompt_teams.placed[prompt_team, 0] - placed_claim)
                gained += after[6] * (prompt_teams.placed[prompt_team, 1] - placed_word)
        effects[i, 0] = offset
        effects[i, 1] = gained
        effects[i, 2] = before[0]
        effects[i, 3] = after[0]
        effects[i, 4] = after[1]
        effects[i, 5] = after[2]
        effects[i, 6] = after[3]
