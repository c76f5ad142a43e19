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
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mintmark.core import ageing, opinion, raters
from mintmark.core.jit import njit
from mintmark.core.reputation_policy import Constants, ReputationPolicy

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

# Sources are numbered as the kinds of evidence are (`core.kinds`); the first two are measured.
SOURCES = ("outcome", "replay", "approval", "rating")
OUTCOME, REPLAY, APPROVAL, RATING = range(4)

# Without one measured event anywhere, an average prompt is taken to succeed every other time.
HOME_UNKNOWN = 0.5
# A score is never certain: neither a Beta interval nor a log loss exists at 0 or 1.
LOWEST, HIGHEST = 0.001, 0.999

# The compiler reads a function's globals, not another module's attributes.
_remaining = ageing.remaining
_cohort_weight = opinion.cohort_weight
_effective_size = opinion.effective_size
_credibility = opinion.credibility
_rater_weight = raters.weight
_rater_leniency = raters.leniency


class Fleet(NamedTuple):
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
    """Per prompt. `weight`, `residual` (W and R) and `inherited` (the part of W that came from the
    parent) are (n, 4), one column a source, as of `at` (days; NaN before the first event). `count`
    (n, 4) are the prompt's own runs, approvals and live ratings, which do not age; `rated` is the
    sum of live raw ratings. `home` and `parent` are row numbers, −1 for none; `started` says that
    the parent's evidence has been taken over.
    """

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
class State:
    """All sums; one row of a group is one row of the database. `fold` works in place."""

    fleet: Fleet
    rituals: Rituals
    assistant_rituals: AssistantRituals
    prompts: Prompts
    pairs: Pairs
    raters: Raters
    prompt_cohorts: PromptCohorts
    prompt_raters: PromptRaters

    @classmethod
    def untouched(
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
    ) -> State:
        """Rows before any event, without parents and homes, each ritual at the default κ."""
        zeros = np.zeros

        def never(rows: int) -> Floats:
            return np.full(rows, np.nan)

        return cls(
            fleet=Fleet(zeros(1), zeros(1)),
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """Columns of one slice of the log, in log order. Row numbers point into `State`; −1 means that
    there is none.

    `baseline` is what `pairs.fold` said an average prompt would have scored there (NaN where
    nothing was measured); `admissible` is False for what the caller rules out (a rating of one's
    own lineage, or without an entitlement and a recorded use): such an event moves nothing. Events
    of kinds without a source here (recall, clause) move nothing either.
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
class Effects:
    """What each event did. `offset` is what its score was held against (NaN where nothing was);
    `weight` the effective runs it added to its source; the rest is the prompt's standing right
    before and after.
    """

    offset: Floats
    weight: Floats
    trust_before: Floats
    trust_after: Floats
    effectiveness_after: Floats
    approval_after: Floats
    n_after: Floats


def fold(policy: ReputationPolicy, state: State, events: Events) -> Effects:
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
    return Effects(
        offset=offset,
        weight=weight,
        trust_before=before,
        trust_after=after,
        effectiveness_after=effectiveness,
        approval_after=approval,
        n_after=n,
    )


def _check_rows(state: State, events: Events) -> None:
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
def home_mean(fleet: Fleet, rituals: Rituals, ritual: int) -> float:
    """Expected score of an average prompt on a ritual, its assistants counting equally.

    The mean over rituals where this one has no assistant yet, one half where no ritual has. A
    single assistant's baseline is already a shrunk posterior mean, so it is not shrunk a second
    time.
    """
    if ritual >= 0 and rituals.assistants[ritual] > 0.0:
        return float(rituals.baselines[ritual] / rituals.assistants[ritual])
    if fleet.rituals[0] > 0.0:
        return float(fleet.ritual_means[0] / fleet.rituals[0])
    return HOME_UNKNOWN


@njit
def recall_sums(
    constants: Constants, prompts: Prompts, prompt: int, at_days: float, sums: Floats
) -> tuple[float, int]:
    """Write a prompt's W, R and inherited W at a time into the rows of `sums` (3, 4).

    Returns the time they stand for (never before the row's own) and the home ritual. A prompt
    without an event of its own has `inheritance` times the sums of its nearest ancestor with one,
    but never a smaller share than that ancestor had itself inherited: else a chain of trivial edits
    would wash a record off by halves.
    """
    source = prompt
    home = prompts.home[prompt]
    while not prompts.started[source] and prompts.parent[source] >= 0:
        source = prompts.parent[source]
        if home < 0:
            home = prompts.home[source]
    if not prompts.started[source]:
        sums[:, :] = 0.0
        return at_days, home
    stands_at = max(at_days, prompts.at[source])
    elapsed = stands_at - prompts.at[source]
    measured = _remaining(elapsed, constants.half_life_measured_days)
    opined = _remaining(elapsed, constants.half_life_opinion_days)
    total = 0.0
    inherited = 0.0
    for s in range(4):
        left = measured if s <= REPLAY else opined
        sums[0, s] = prompts.weight[source, s] * left
        sums[1, s] = prompts.residual[source, s] * left
        sums[2, s] = prompts.inherited[source, s] * left
        total += sums[0, s]
        inherited += sums[2, s]
    if source != prompt:
        share = constants.inheritance
        if total > 0.0:
            share = max(share, min(1.0, inherited / total))
        for s in range(4):
            sums[0, s] *= share
            sums[1, s] *= share
            sums[2, s] = sums[0, s]
    return stands_at, home


@njit
def opinion_gain(constants: Constants, kappa: float, home: float, sums: Floats) -> float:
    """g of the pool of opinions: the runs as which it counts over its weight, in [0, 1]."""
    pool = sums[0, APPROVAL] + sums[0, RATING]
    if pool <= 1e-12:
        return 0.0
    size = kappa + sums[0, OUTCOME] + sums[0, REPLAY]
    counted = _effective_size(pool, constants.opinion_share * size)
    measured = (sums[1, OUTCOME] + sums[1, REPLAY]) / size
    level = min(0.95, max(0.05, home + measured))
    disagreement = (sums[1, APPROVAL] + sums[1, RATING]) / pool - measured
    stands = _credibility(
        disagreement, level * (1.0 - level), size, counted, constants.opinion_tolerance
    )
    return min(1.0, float(counted * stands / pool))


@njit
def clipped(score: float) -> float:
    """`score` inside what a score may be."""
    return min(HIGHEST, max(LOWEST, score))


@njit
def standing(
    constants: Constants, kappa: float, home: float, sums: Floats
) -> tuple[float, float, float, float, float]:
    """Trust, ritual effectiveness, assistant approval, N and the opinions' g, from one prompt's
    sums.

    The second and third are the same estimate from that source alone; no cap acts where there is
    nothing to outweigh.
    """
    gain = opinion_gain(constants, kappa, home, sums)
    n = kappa + sums[0, 0] + sums[0, 1] + gain * sums[0, 2] + gain * sums[0, 3]
    total = sums[1, 0] + sums[1, 1] + gain * sums[1, 2] + gain * sums[1, 3]
    return (
        clipped(home + total / n),
        clipped(home + sums[1, OUTCOME] / (kappa + sums[0, OUTCOME])),
        clipped(home + sums[1, APPROVAL] / (kappa + sums[0, APPROVAL])),
        n,
        gain,
    )


@njit
def note_baseline(
    fleet: Fleet,
    rituals: Rituals,
    assistant_rituals: AssistantRituals,
    ritual: int,
    assistant_ritual: int,
    baseline: float,
) -> None:
    """Let an assistant's newest baseline take the place of its last one in the ritual's and the
    fleet's mean.
    """
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
def distinct_runs(runs: float, correlation: float) -> float:
    """Independent runs that `runs` correlated ones are worth: n/(1 + (n−1)·correlation), n itself
    up to 1.
    """
    if runs <= 1.0:
        return runs
    return runs / (1.0 + (runs - 1.0) * correlation)


@njit
def fold_measured(
    constants: Constants,
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
        gained = distinct_runs(runs, constants.run_correlation)
        prompts.weight[prompt, source] += gained
        prompts.residual[prompt, source] += gained * residual
        return gained
    at = prompts.at[prompt]
    left = 0.0
    if not math.isnan(pairs.at[pair, source]):
        left = _remaining(at - pairs.at[pair, source], constants.half_life_measured_days)
    runs_before = pairs.runs[pair, source]
    weight_before = 0.0
    residual_before = 0.0
    if runs_before > 0.0:
        weight_before = distinct_runs(runs_before, constants.run_correlation)
        residual_before = weight_before * (pairs.residual[pair, source] / runs_before)
    pairs.runs[pair, source] = runs_before * left + runs
    pairs.residual[pair, source] = pairs.residual[pair, source] * left + runs * residual
    pairs.at[pair, source] = at
    weight_now = distinct_runs(pairs.runs[pair, source], constants.run_correlation)
    residual_now = weight_now * (pairs.residual[pair, source] / pairs.runs[pair, source])
    gained = weight_now - weight_before * left
    prompts.weight[prompt, source] += gained
    prompts.residual[prompt, source] += residual_now - residual_before * left
    return gained


@njit
def withdraw_rating(
    constants: Constants,
    prompts: Prompts,
    prompt_cohorts: PromptCohorts,
    prompt_raters: PromptRaters,
    prompt: int,
    prompt_cohort: int,
    prompt_rater: int,
) -> None:
    """Take a rater's live rating out of the prompt's sums and of what its cohort has spent."""
    left = _remaining(
        prompts.at[prompt] - prompt_raters.at[prompt_rater], constants.half_life_opinion_days
    )
    weight = prompt_raters.weight[prompt_rater] * left
    prompts.weight[prompt, RATING] = max(0.0, prompts.weight[prompt, RATING] - weight)
    prompts.residual[prompt, RATING] -= weight * prompt_raters.residual[prompt_rater]
    prompts.counted[prompt, RATING] -= 1.0
    prompts.rated[prompt] -= prompt_raters.score[prompt_rater]
    if prompt_cohort >= 0:
        spent = prompt_raters.spent[prompt_rater] * left
        prompt_cohorts.spent[prompt_cohort] = max(0.0, prompt_cohorts.spent[prompt_cohort] - spent)


@njit
def fold_opinion(
    constants: Constants,
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
    fresh = _remaining(at - at_days, constants.half_life_opinion_days)
    raw = _rater_weight(agreement, count) * fresh
    corrected = min(1.0, max(0.0, score - _rater_leniency(surplus, count)))
    residual = corrected - home

    gained = raw
    if prompt_cohort >= 0:
        if not math.isnan(prompt_cohorts.at[prompt_cohort]):
            prompt_cohorts.spent[prompt_cohort] *= _remaining(
                at - prompt_cohorts.at[prompt_cohort], constants.half_life_opinion_days
            )
        prompt_cohorts.at[prompt_cohort] = at
    if (
        source == RATING
        and prompt_rater >= 0
        and not math.isnan(prompt_raters.rated_at[prompt_rater])
    ):
        withdraw_rating(
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


@njit
def start(constants: Constants, prompts: Prompts, prompt: int, at_days: float) -> None:
    """Bring a prompt's row to an event's time; at its first, take over the parent's evidence."""
    sums = np.zeros((3, 4))
    stands_at, home = recall_sums(constants, prompts, prompt, at_days, sums)
    for s in range(4):
        prompts.weight[prompt, s] = sums[0, s]
        prompts.residual[prompt, s] = sums[1, s]
        prompts.inherited[prompt, s] = sums[2, s]
    prompts.at[prompt] = stands_at
    prompts.home[prompt] = home
    prompts.started[prompt] = True


@njit
def fold_kernel(
    constants: Constants,
    fleet: Fleet,
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
    """Fold events one by one; `effects` (n, 7) receives the columns of `Effects` in their order."""
    sums = np.zeros((3, 4))
    for i in range(len(kinds)):
        prompt = prompt_of[i]
        source = kinds[i]
        moves = admissible[i] and source <= RATING
        if moves:
            start(constants, prompts, prompt, at_days[i])

        stands_at, home_ritual = recall_sums(constants, prompts, prompt, at_days[i], sums)
        home = home_mean(fleet, rituals, home_ritual)
        kappa = rituals.kappa[home_ritual] if home_ritual >= 0 else constants.kappa_default
        before = standing(constants, kappa, home, sums)

        offset = math.nan
        gained = 0.0
        if moves and source <= REPLAY:
            if prompts.home[prompt] < 0:
                prompts.home[prompt] = ritual_of[i]
            note_baseline(
                fleet,
                rituals,
                assistant_rituals,
                ritual_of[i],
                assistant_ritual_of[i],
                baselines[i],
            )
            offset = baselines[i]
            fresh = _remaining(stands_at - at_days[i], constants.half_life_measured_days)
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
            gained = fold_opinion(
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
            _, home_ritual = recall_sums(constants, prompts, prompt, at_days[i], sums)
            home = home_mean(fleet, rituals, home_ritual)
            kappa = rituals.kappa[home_ritual] if home_ritual >= 0 else constants.kappa_default
            after = standing(constants, kappa, home, sums)
        effects[i, 0] = offset
        effects[i, 1] = gained
        effects[i, 2] = before[0]
        effects[i, 3] = after[0]
        effects[i, 4] = after[1]
        effects[i, 5] = after[2]
        effects[i, 6] = after[3]
