"""A small market with known true qualities, folded by the kernels that score the live one.

200 prompts of true quality Beta(4, 3), each with Poisson(10) binary runs (at least one) on assistants drawn at random;
then 200 honest raters in 20 cohorts rate ten random prompts each, with a leniency and noise of their own. The log goes
through `pair_model.fold` and `prompt_model.fold`, κ is learned from it as `mintmark calibrate` does, and it is folded
again under what was learned.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from mintmark.common.evidence_kinds import EvidenceKind
from mintmark.scoring import pair_model, prior_strength, prompt_model, prompt_readout, text_features
from mintmark.scoring.pair_priors import PairPolicy
from mintmark.scoring.prompt_model import ReputationEvents
from mintmark.scoring.prompt_readout import PromptScoreColumns
from mintmark.scoring.prompt_state import Floats, Ints, ReputationState
from mintmark.scoring.reputation_constants import ReputationPolicy

PROMPTS = 200
# Rows beyond the market's own prompts, for what an attacker may register later.
SPARE_PROMPTS = 8
ASSISTANTS = 16
HONEST = 200
RATERS = 2 * HONEST
COHORTS = 20
# One more cohort than the honest raters have, for raters who came together.
OUTSIDE = COHORTS
RATINGS_EACH = 10
QUALITY = (4.0, 3.0)
LENIENCY_SD, NOISE_SD = 0.08, 0.2
# The prompt whose quality the caller sets, and which ten honest raters rate.
TARGET = 0
NOW = 20_000.0
BAYES_WEIGHT = 10.0
RITUAL_KEYS = ("simulated",)
# The scenario has no assistants in it, so they are alike here, and a calibrated policy knows that.
ALIKE_POLICY = PairPolicy(assistant=0.01, assistant_ritual=0.01, pair=0.01)

METHODS = ("mintmark", "raw_mean", "bayes_average", "wilson_bound")


@dataclass(slots=True)
class SimulatedMarket:
    """A played market: true qualities, the folded state, and every rating given, as columns."""

    policy: ReputationPolicy
    quality: Floats
    state: ReputationState
    rated_prompt: Ints
    rated_score: Floats

    @property
    def kappa(self) -> float:
        return float(self.state.rituals.kappa[0])


def play(
    *,
    policy: ReputationPolicy,
    rng: np.random.Generator,
    target_quality: float | None = None,
    mean_runs: float = 10.0,
    with_ratings: bool = True,
    learn: bool = True,
) -> SimulatedMarket:
    """Play measured runs, then honest ratings. `learn` learns κ and folds again under it."""
    quality = rng.beta(*QUALITY, size=PROMPTS)
    if target_quality is not None:
        quality[TARGET] = target_quality
    measured = _simulate_measured_runs(quality, mean_runs=mean_runs, rng=rng)
    rater, prompt, score = _simulate_honest_ratings(quality, rng=rng)
    if not with_ratings:
        rater, prompt, score = rater[:0], prompt[:0], score[:0]
    opinions = build_ratings(rater, prompt, score, cohort=rater % COHORTS)

    def fold_all(fold_policy: ReputationPolicy) -> ReputationState:
        state = _create_initial_state(fold_policy)
        prompt_model.fold(fold_policy, state, measured)
        prompt_model.fold(fold_policy, state, opinions)
        return state

    state = fold_all(policy)
    if learn:
        pair_prompt = np.tile(np.arange(PROMPTS), ASSISTANTS)
        policy = prior_strength.learn(
            policy, state, pair_prompt=pair_prompt, ritual_keys=RITUAL_KEYS
        )
        state = fold_all(policy)
    return SimulatedMarket(policy, quality, state, prompt, score)


def compute_scores(played: SimulatedMarket) -> PromptScoreColumns:
    """The scores of the market's own prompts, as pages read them."""
    return prompt_readout.compute_scores(
        played.policy, played.state, np.arange(PROMPTS), now_days=NOW
    )


def score_by_method(played: SimulatedMarket) -> dict[str, Floats]:
    """Score of every prompt by every method; (PROMPTS,) each."""
    number = np.bincount(played.rated_prompt, minlength=PROMPTS).astype(float)
    total = np.bincount(played.rated_prompt, played.rated_score, minlength=PROMPTS)
    everywhere = float(played.rated_score.mean()) if len(played.rated_score) else 0.5
    mean = np.where(number > 0.0, total / np.maximum(number, 1.0), everywhere)
    return {
        "mintmark": compute_scores(played).trust_score,
        "raw_mean": mean,
        "bayes_average": (BAYES_WEIGHT * everywhere + total) / (BAYES_WEIGHT + number),
        "wilson_bound": wilson_bound(mean, number),
    }


def wilson_bound(mean: Floats, number: Floats) -> Floats:
    """Lower end of Wilson's 95% interval (1927) of `number` votes; 0 without a vote."""
    z = float(special.ndtri(0.975))
    n = np.maximum(number, 1.0)
    centre = mean + z * z / (2.0 * n)
    margin = z * np.sqrt((mean * (1.0 - mean) + z * z / (4.0 * n)) / n)
    return np.where(number > 0.0, (centre - margin) / (1.0 + z * z / n), 0.0)


def build_ratings(rater: Ints, prompt: Ints, score: Floats, *, cohort: Ints) -> ReputationEvents:
    """Ratings in this order, admissible, all on the market's one day."""
    return _build_events(
        kind=EvidenceKind.RATING,
        prompt=prompt,
        score=score,
        rater=rater,
        prompt_cohort=prompt * (COHORTS + 1) + cohort,
        prompt_rater=prompt * RATERS + rater,
    )


def build_outcomes(prompt: Ints, score: Floats, *, baseline: Floats) -> ReputationEvents:
    """Single binary runs in this order, on assistants that ran the prompt once each."""
    return _build_events(
        kind=EvidenceKind.OUTCOME,
        prompt=prompt,
        score=score,
        ritual=np.zeros(len(prompt), dtype=np.int64),
        baseline=baseline,
    )


def _create_initial_state(policy: ReputationPolicy) -> ReputationState:
    state = ReputationState.create_initial(
        policy=policy,
        prompts=PROMPTS + SPARE_PROMPTS,
        rituals=1,
        assistant_rituals=ASSISTANTS,
        pairs=ASSISTANTS * PROMPTS,
        raters=RATERS,
        prompt_cohorts=PROMPTS * (COHORTS + 1),
        prompt_raters=PROMPTS * RATERS,
    )
    state.rituals.kappa[:] = policy.get_kappas(RITUAL_KEYS)
    return state


def _simulate_measured_runs(
    quality: Floats, *, mean_runs: float, rng: np.random.Generator
) -> ReputationEvents:
    runs = np.maximum(1, rng.poisson(mean_runs, size=PROMPTS))
    prompt = rng.permutation(np.repeat(np.arange(PROMPTS), runs))
    n = len(prompt)
    assistant = rng.integers(0, ASSISTANTS, n)
    score = (rng.random(n) < quality[prompt]).astype(float)
    ritual = np.zeros(n, dtype=np.int64)
    pair = assistant * PROMPTS + prompt
    pair_effects = pair_model.fold(
        ALIKE_POLICY,
        pair_model.PairState.create_initial(
            policy=ALIKE_POLICY,
            assistants=ASSISTANTS,
            rituals=1,
            assistant_rituals=ASSISTANTS,
            prompts=PROMPTS,
            pairs=ASSISTANTS * PROMPTS,
        ),
        pair_model.PairEvents(
            assistant=assistant,
            ritual=ritual,
            assistant_ritual=assistant,
            prompt=prompt,
            pair=pair,
            features=np.full((PROMPTS, text_features.WIDTH), np.nan),
            score=score,
            runs=np.ones(n),
            at_days=np.full(n, NOW),
        ),
    )
    return _build_events(
        kind=EvidenceKind.OUTCOME,
        prompt=prompt,
        score=score,
        ritual=ritual,
        assistant_ritual=assistant,
        pair=pair,
        baseline=pair_effects.baseline,
    )


def _simulate_honest_ratings(
    quality: Floats, *, rng: np.random.Generator
) -> tuple[Ints, Ints, Floats]:
    """Rater, prompt and score of all honest ratings, in a random order."""
    chosen = np.array(
        [1 + rng.choice(PROMPTS - 1, RATINGS_EACH, replace=False) for _ in range(HONEST)]
    )
    chosen[rng.choice(HONEST, RATINGS_EACH, replace=False), 0] = TARGET
    prompt = chosen.ravel()
    rater = np.repeat(np.arange(HONEST), RATINGS_EACH)
    leniency = rng.normal(0.0, LENIENCY_SD, HONEST)[rater]
    noise = rng.normal(0.0, NOISE_SD, len(prompt))
    score = np.clip(quality[prompt] + leniency + noise, 0.0, 1.0)
    order = rng.permutation(len(prompt))
    return rater[order], prompt[order], score[order]


def _build_events(
    *,
    kind: EvidenceKind,
    prompt: Ints,
    score: Floats,
    ritual: Ints | None = None,
    assistant_ritual: Ints | None = None,
    pair: Ints | None = None,
    rater: Ints | None = None,
    prompt_cohort: Ints | None = None,
    prompt_rater: Ints | None = None,
    baseline: Floats | None = None,
) -> ReputationEvents:
    n = len(prompt)
    nowhere = np.full(n, -1, dtype=np.int64)

    def or_none(rows: Ints | None) -> Ints:
        return nowhere if rows is None else rows

    return ReputationEvents(
        kind=np.full(n, int(kind), dtype=np.int64),
        prompt=prompt,
        ritual=or_none(ritual),
        assistant_ritual=or_none(assistant_ritual),
        pair=or_none(pair),
        rater=or_none(rater),
        prompt_cohort=or_none(prompt_cohort),
        prompt_rater=or_none(prompt_rater),
        score=score,
        runs=np.ones(n),
        at_days=np.full(n, NOW),
        baseline=np.full(n, np.nan) if baseline is None else baseline,
        admissible=np.ones(n, dtype=np.bool_),
    )
