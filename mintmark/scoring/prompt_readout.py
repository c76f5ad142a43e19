"""Read prompt trust out of the sums: the score, its interval, and where it comes from.

The terms of a score are the prior (the mean of the home ritual), one per source, and clipping; they
add up to the score. The interval is that of a Beta posterior with mean T and N = κ + Σ g·W runs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from mintmark.scoring import decay, prompt_posterior
from mintmark.scoring.jit import njit
from mintmark.scoring.prompt_state import (
    APPROVAL,
    CLAIM,
    OUTCOME,
    OWN,
    RATING,
    REPLAY,
    SOURCE_COUNT,
    SOURCES,
    WORD,
    FleetSums,
    Floats,
    Ints,
    Prompts,
    PromptTeams,
    ReputationState,
    Rituals,
    TeamRituals,
)
from mintmark.scoring.reputation_constants import KernelConstants, ReputationPolicy

# Far beyond any Q.
UNLIMITED_NOISE = 1e18

LOWER, UPPER, RANK = 0.05, 0.95, 0.10

MIN_SCORE, MAX_SCORE = prompt_posterior.MIN_SCORE, prompt_posterior.MAX_SCORE

_decay_factor = decay.decay_factor
_home_mean = prompt_posterior.home_mean
_compute_sums = prompt_posterior.compute_sums
_compute_posterior = prompt_posterior.compute_posterior


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreEstimate:
    """A mean in (0, 1) with its 90% interval, and the runs behind it without the prior."""

    mean: float
    low: float
    high: float
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreContribution:
    """One term of a score.

    `source` is prior, outcome, replay, approval, rating, claim, word or clipping; `amount` is in points of
    score; `weight` the runs as which it counts in the denominator; `counted` the prompt's own runs,
    approvals or live ratings (nothing inherited, nothing aged); `inherited` the part of `weight`
    taken over from the parent.
    """

    source: str
    amount: float
    weight: float
    counted: float
    inherited: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptScore:
    """Prompt trust with its explanation.

    `trust_score` is the sum of the contributions' amounts. `low` and `high` are its 90% interval, `rank_bound` the 10%
    quantile by which prompts are ranked, `n` the effective runs of everything together, κ of the prior included.
    `ratings_raw_mean` is the plain mean of live ratings (None without any), `ratings_weighted_mean` their mean after
    leniency, record and cohort are taken into account.
    """

    trust_score: float
    low: float
    high: float
    rank_bound: float
    n: float
    kappa: float
    contributions: tuple[ScoreContribution, ...]
    ritual_effectiveness: ScoreEstimate
    assistant_approval: ScoreEstimate
    ratings: float
    ratings_raw_mean: float | None
    ratings_weighted_mean: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptScoreColumns:
    """The same for many prompts, one element a row.

    `amounts`, `weights` and `inherited` are (rows, 6), by `reputation_state.SOURCES`; `prior`, the
    amounts and `clipping` add up to `trust_score`.
    """

    trust_score: Floats
    low: Floats
    high: Floats
    rank_bound: Floats
    n: Floats
    kappa: Floats
    prior: Floats
    amounts: Floats
    weights: Floats
    inherited: Floats
    clipping: Floats
    ritual_effectiveness: Floats
    assistant_approval: Floats
    effectiveness_weight: Floats
    approval_weight: Floats
    rating_weight: Floats
    ratings_weighted_mean: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRows:
    """The rows of one team beside those of prompts: `prompt_team`, and `team_ritual` of the prompt's home; −1 for
    none."""

    prompt_team: Ints
    team_ritual: Ints


def compute_scores(
    policy: ReputationPolicy,
    state: ReputationState,
    rows: Ints,
    *,
    now_days: float,
    own: OwnRows | None = None,
) -> PromptScoreColumns:
    """Scores of the prompts in `rows` as of `now_days`; nothing is changed.

    With `own`, as that team sees them: what it reports counts in full, and what other teams report not at all. Of
    `state` only `fleet`, `rituals`, `prompts` and, for that, `prompt_teams` and `team_rituals` are read. For a prompt
    that has not started, its ancestors must be loaded up to the first that has.
    """
    columns = np.empty((len(rows), 29))
    nowhere = np.full(len(rows), -1, dtype=np.int64)
    read_kernel(
        policy.constants(),
        state.fleet,
        state.rituals,
        state.prompts,
        state.prompt_teams,
        state.team_rituals,
        rows,
        nowhere if own is None else own.prompt_team,
        nowhere if own is None else own.team_ritual,
        own is not None,
        now_days,
        columns,
    )
    trust, n = columns[:, 0], columns[:, 3]
    low, high, rank = (_quantile(trust, n, level) for level in (LOWER, UPPER, RANK))
    return PromptScoreColumns(
        trust_score=trust,
        low=low,
        high=high,
        rank_bound=rank,
        n=n,
        kappa=columns[:, 4],
        prior=columns[:, 5],
        clipping=columns[:, 6],
        amounts=columns[:, 7:13],
        weights=columns[:, 13:19],
        inherited=columns[:, 19:25],
        ritual_effectiveness=columns[:, 1],
        assistant_approval=columns[:, 2],
        effectiveness_weight=columns[:, 25],
        approval_weight=columns[:, 26],
        rating_weight=columns[:, 27],
        ratings_weighted_mean=columns[:, 28],
    )


def compute_executed_alone(columns: PromptScoreColumns) -> Floats:
    """What the scores, (rows,), would be from executed outcomes and replays alone."""
    executed = columns.amounts[:, :2].sum(axis=1) * columns.n
    size = columns.kappa + columns.weights[:, :2].sum(axis=1)
    score: Floats = columns.prior + executed / size
    return score


def compute_score(
    policy: ReputationPolicy,
    state: ReputationState,
    row: int,
    *,
    now_days: float,
    own: OwnRows | None = None,
) -> PromptScore:
    """Score of the one prompt in `row`, as `compute_scores` gives it."""
    columns = compute_scores(
        policy, state, np.array([row], dtype=np.int64), now_days=now_days, own=own
    )
    prompts = state.prompts
    own_counts = prompts.counted[row]
    kappa = float(columns.kappa[0])
    terms = [
        ScoreContribution(
            source="prior", amount=float(columns.prior[0]), weight=kappa, counted=0.0, inherited=0.0
        )
    ]
    terms += [
        ScoreContribution(
            source=name,
            amount=float(columns.amounts[0, s]),
            weight=float(columns.weights[0, s]),
            counted=float(own_counts[s]),
            inherited=float(columns.inherited[0, s]),
        )
        for s, name in enumerate(SOURCES)
    ]
    if columns.clipping[0] != 0.0:
        terms.append(
            ScoreContribution(
                source="clipping",
                amount=float(columns.clipping[0]),
                weight=0.0,
                counted=0.0,
                inherited=0.0,
            )
        )
    live_ratings = float(own_counts[RATING])
    return PromptScore(
        trust_score=float(columns.trust_score[0]),
        low=float(columns.low[0]),
        high=float(columns.high[0]),
        rank_bound=float(columns.rank_bound[0]),
        n=float(columns.n[0]),
        kappa=kappa,
        contributions=tuple(terms),
        ritual_effectiveness=_build_estimate(
            columns.ritual_effectiveness[0], columns.effectiveness_weight[0], kappa
        ),
        assistant_approval=_build_estimate(
            columns.assistant_approval[0], columns.approval_weight[0], kappa
        ),
        ratings=live_ratings,
        ratings_raw_mean=float(prompts.rated[row]) / live_ratings if live_ratings > 0.0 else None,
        ratings_weighted_mean=float(columns.ratings_weighted_mean[0])
        if columns.rating_weight[0] > 0.0
        else None,
    )


def _build_estimate(mean: float, weight: float, kappa: float) -> ScoreEstimate:
    n = kappa + weight
    return ScoreEstimate(
        mean=float(mean),
        low=float(special.betaincinv(mean * n, (1.0 - mean) * n, LOWER)),
        high=float(special.betaincinv(mean * n, (1.0 - mean) * n, UPPER)),
        weight=float(weight),
    )


def _quantile(mean: Floats, n: Floats, level: float) -> Floats:
    return np.asarray(special.betaincinv(mean * n, (1.0 - mean) * n, level), dtype=float)


@njit
def replace_reports(
    constants: KernelConstants,
    prompt_teams: PromptTeams,
    prompt_team: int,
    now_days: float,
    sums: Floats,
) -> float:
    """Put one team's own reports, in full, in the place of all teams' claims and word; returns a Q so large that no
    distance from what was executed discounts them."""
    for c in range(3):
        sums[c, CLAIM] = 0.0
        sums[c, WORD] = 0.0
    if prompt_team >= 0 and prompt_teams.weight[prompt_team, OWN] > 0.0:
        share = _decay_factor(
            now_days - prompt_teams.at[prompt_team], constants.half_life_measured_days
        )
        sums[0, CLAIM] = prompt_teams.weight[prompt_team, OWN] * share
        sums[1, CLAIM] = prompt_teams.residual[prompt_team, OWN] * share
    return UNLIMITED_NOISE


@njit
def read_kernel(
    constants: KernelConstants,
    fleet: FleetSums,
    rituals: Rituals,
    prompts: Prompts,
    prompt_teams: PromptTeams,
    team_rituals: TeamRituals,
    rows: Ints,
    prompt_team_of: Ints,
    team_ritual_of: Ints,
    is_own: bool,
    now_days: float,
    columns: Floats,
) -> None:
    """Write one row a prompt: trust, effectiveness, approval, N, κ, prior, clipping, six amounts, six weights in N, six
    inherited parts of these, weights of outcomes, approvals, ratings alone, and the weighted mean of ratings.
    """
    sums = np.zeros((3, SOURCE_COUNT))
    for i in range(len(rows)):
        _, ritual, noise = _compute_sums(constants, prompts, rows[i], now_days, sums)
        home = _home_mean(fleet, rituals, ritual)
        kappa = rituals.kappa[ritual] if ritual >= 0 else constants.kappa_default
        if is_own:
            noise = replace_reports(constants, prompt_teams, prompt_team_of[i], now_days, sums)
            own = team_ritual_of[i]
            known = ritual >= 0 and rituals.assistants[ritual] > 0.0
            if not known and own >= 0 and team_rituals.assistants[own] > 0.0:
                home = team_rituals.baselines[own] / team_rituals.assistants[own]
        trust, effectiveness, approval, n, claims, gain, word = _compute_posterior(
            constants, kappa, home, sums, noise
        )
        total = home
        for s in range(SOURCE_COUNT):
            g = gain
            if s <= REPLAY:
                g = 1.0
            elif s == CLAIM:
                g = claims
            elif s == WORD:
                g = word
            columns[i, 7 + s] = g * sums[1, s] / n
            columns[i, 13 + s] = g * sums[0, s]
            columns[i, 19 + s] = g * sums[2, s]
            total += columns[i, 7 + s]
        columns[i, 0] = trust
        columns[i, 1] = effectiveness
        columns[i, 2] = approval
        columns[i, 3] = n
        columns[i, 4] = kappa
        columns[i, 5] = home
        # Rounding of the sum is not clipping; it stays below 1e-15 and out of the table.
        inside = MIN_SCORE <= total <= MAX_SCORE
        columns[i, 6] = 0.0 if inside else trust - total
        columns[i, 25] = sums[0, OUTCOME] + claims * sums[0, CLAIM] + word * sums[0, WORD]
        columns[i, 26] = sums[0, APPROVAL]
        columns[i, 27] = sums[0, RATING]
        columns[i, 28] = home
        if sums[0, RATING] > 0.0:
            columns[i, 28] = min(1.0, max(0.0, home + sums[1, RATING] / sums[0, RATING]))
