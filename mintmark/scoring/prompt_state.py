"""The sums that prompt trust is made of, as arrays: one row of a group is one row of the database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mintmark.scoring.reputation_constants import ReputationPolicy

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

# The first four sources are numbered as the kinds of evidence are (`common.evidence_kinds`). Outcomes and replays count
# there when they were executed; what teams claim of theirs is in the last two.
SOURCES = ("outcome", "replay", "approval", "rating", "claim", "word")
OUTCOME, REPLAY, APPROVAL, RATING, CLAIM, WORD = range(6)
SOURCE_COUNT = len(SOURCES)

# Columns of what a team reports.
CLAIMED, WORDED, OWN = range(3)


class FleetSums(NamedTuple):
    """One row: the sum over rituals of their mean baseline, and how many rituals have one."""

    ritual_means: Floats
    rituals: Floats


class Rituals(NamedTuple):
    """Per ritual: sum over its assistants of their latest baseline, their number, and κ (from the
    policy).
    """

    baselines: Floats
    assistants: Floats
    kappa: Floats


class AssistantRituals(NamedTuple):
    """Per (assistant, ritual): the latest baseline, public and in the view of its team; NaN where nothing was
    measured."""

    baseline: Floats
    own_baseline: Floats


class Prompts(NamedTuple):
    """Per prompt. `weight`, `residual` (W and R) and `inherited` (the part of W that came from the parent) are (n, 6),
    one column for each source, as of `at` (days; NaN before the first event). `noise` is Q of the claims
    (`scoring.claim_weights`), as of the same time. `counted` (n, 6) are the prompt's own runs, approvals and live
    ratings, which do not decay; `rated` is the sum of live raw ratings. `home` and `parent` are row numbers, −1 for
    none; `started` says that the parent's evidence has been inherited."""

    weight: Floats
    residual: Floats
    inherited: Floats
    noise: Floats
    counted: Floats
    rated: Floats
    at: Floats
    home: Ints
    parent: Ints
    started: Bools


class Pairs(NamedTuple):
    """Per (assistant, prompt), (n, 2) for executed outcome, replay: runs and runs × residual as of `at`."""

    runs: Floats
    residual: Floats
    at: Floats


class ClaimedPairs(NamedTuple):
    """Per (assistant, prompt), (n, 3) by `CLAIMED`, `WORDED`, `OWN`: runs and runs × residual as of `at`, of what the
    assistant's team reports of it. `OWN` is everything that it reports, against the baseline of its own view."""

    runs: Floats
    residual: Floats
    at: Floats


class PromptTeams(NamedTuple):
    """Per (prompt, reporting team): what the team reports, and what of it is in the prompt's sums.

    `weight` and `residual` (W and R) are (n, 3) by `CLAIMED`, `WORDED`, `OWN`, as of `at`. `placed` and
    `placed_residual`, (n, 2), are the team's part of the prompt's claims and word, `placed_noise` that of Q, as of
    `placed_at`. `false_share` is λ of the team's claims about this prompt; NaN where it is the team's.
    """

    weight: Floats
    residual: Floats
    at: Floats
    false_share: Floats
    placed: Floats
    placed_residual: Floats
    placed_noise: Floats
    placed_at: Floats


class Teams(NamedTuple):
    """Per reporting team: its share of false claims λ, and over how many verdicts (0: λ is the prior's mean)."""

    false_share: Floats
    verdicts: Floats


class TeamRituals(NamedTuple):
    """Per (team, ritual), in the view of the team: sum over its assistants of their latest baseline, and their
    number."""

    baselines: Floats
    assistants: Floats


class Raters(NamedTuple):
    """Per rater: Σ agreement, Σ (rating − measured), and the number of comparisons, over all
    prompts.
    """

    agreement: Floats
    surplus: Floats
    comparisons: Floats


class PromptCohorts(NamedTuple):
    """Per (prompt, cohort): raw rater weight already spent there, as of `at`."""

    spent: Floats
    at: Floats


class PromptRaters(NamedTuple):
    """Per (prompt, rater): the live rating (effective `weight`, raw weight `spent` and `residual`
    as of `at`, its raw `score` and the time it was given, `rated_at`; NaN for none), and what this
    prompt added to the rater's record.
    """

    weight: Floats
    spent: Floats
    residual: Floats
    at: Floats
    score: Floats
    rated_at: Floats
    agreement: Floats
    surplus: Floats
    comparisons: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class ReputationState:
    """All sums; one row of a group is one row of the database. `prompt_model.fold` changes them in place."""

    fleet: FleetSums
    rituals: Rituals
    assistant_rituals: AssistantRituals
    prompts: Prompts
    pairs: Pairs
    raters: Raters
    prompt_cohorts: PromptCohorts
    prompt_raters: PromptRaters
    claimed_pairs: ClaimedPairs
    prompt_teams: PromptTeams
    teams: Teams
    team_rituals: TeamRituals

    @classmethod
    def create_initial(
        cls,
        *,
        policy: ReputationPolicy,
        prompts: int,
        rituals: int = 0,
        assistant_rituals: int = 0,
        pairs: int = 0,
        raters: int = 0,
        prompt_cohorts: int = 0,
        prompt_raters: int = 0,
        claimed_pairs: int = 0,
        prompt_teams: int = 0,
        teams: int = 0,
        team_rituals: int = 0,
    ) -> ReputationState:
        """Rows before any event, without parents and homes, each ritual at the default κ."""
        zeros = np.zeros

        def never(rows: int) -> Floats:
            return np.full(rows, np.nan)

        return cls(
            fleet=FleetSums(zeros(1), zeros(1)),
            rituals=Rituals(
                zeros(rituals), zeros(rituals), np.full(rituals, policy.kappa_default, dtype=float)
            ),
            assistant_rituals=AssistantRituals(never(assistant_rituals), never(assistant_rituals)),
            prompts=Prompts(
                weight=zeros((prompts, SOURCE_COUNT)),
                residual=zeros((prompts, SOURCE_COUNT)),
                inherited=zeros((prompts, SOURCE_COUNT)),
                noise=zeros(prompts),
                counted=zeros((prompts, SOURCE_COUNT)),
                rated=zeros(prompts),
                at=never(prompts),
                home=np.full(prompts, -1, dtype=np.int64),
                parent=np.full(prompts, -1, dtype=np.int64),
                started=zeros(prompts, dtype=np.bool_),
            ),
            pairs=Pairs(zeros((pairs, 2)), zeros((pairs, 2)), np.full((pairs, 2), np.nan)),
            raters=Raters(zeros(raters), zeros(raters), zeros(raters)),
            prompt_cohorts=PromptCohorts(zeros(prompt_cohorts), never(prompt_cohorts)),
            prompt_raters=PromptRaters(
                weight=zeros(prompt_raters),
                spent=zeros(prompt_raters),
                residual=zeros(prompt_raters),
                at=never(prompt_raters),
                score=zeros(prompt_raters),
                rated_at=never(prompt_raters),
                agreement=zeros(prompt_raters),
                surplus=zeros(prompt_raters),
                comparisons=zeros(prompt_raters),
            ),
            claimed_pairs=ClaimedPairs(
                zeros((claimed_pairs, 3)),
                zeros((claimed_pairs, 3)),
                np.full((claimed_pairs, 3), np.nan),
            ),
            prompt_teams=PromptTeams(
                weight=zeros((prompt_teams, 3)),
                residual=zeros((prompt_teams, 3)),
                at=never(prompt_teams),
                false_share=never(prompt_teams),
                placed=zeros((prompt_teams, 2)),
                placed_residual=zeros((prompt_teams, 2)),
                placed_noise=zeros(prompt_teams),
                placed_at=never(prompt_teams),
            ),
            teams=Teams(np.full(teams, policy.false_share), zeros(teams)),
            team_rituals=TeamRituals(zeros(team_rituals), zeros(team_rituals)),
        )
