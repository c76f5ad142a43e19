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

# Sources are numbered as the kinds of evidence are (`common.evidence_kinds`); the first two are measured.
SOURCES = ("outcome", "replay", "approval", "rating")
OUTCOME, REPLAY, APPROVAL, RATING = range(4)


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
    """Per (assistant, ritual): the latest baseline; NaN where nothing was measured."""

    baseline: Floats


class Prompts(NamedTuple):
    """Per prompt. `weight`, `residual` (W and R) and `inherited` (the part of W that came from the parent) are (n, 4),
    one column for each source, as of `at` (days; NaN before the first event). `counted` (n, 4) are the prompt's own
    runs, approvals and live ratings, which do not decay; `rated` is the sum of live raw ratings. `home` and `parent`
    are row numbers, −1 for none; `started` says that the parent's evidence has been inherited."""

    weight: Floats
    residual: Floats
    inherited: Floats
    counted: Floats
    rated: Floats
    at: Floats
    home: Ints
    parent: Ints
    started: Bools


class Pairs(NamedTuple):
    """Per (assistant, prompt), (n, 2) for outcome, replay: runs and runs × residual as of `at`."""

    runs: Floats
    residual: Floats
    at: Floats


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
            assistant_rituals=AssistantRituals(never(assistant_rituals)),
            prompts=Prompts(
                weight=zeros((prompts, 4)),
                residual=zeros((prompts, 4)),
                inherited=zeros((prompts, 4)),
                counted=zeros((prompts, 4)),
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
        )
