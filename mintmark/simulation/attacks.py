"""Attack the scoring code: promotion, slander, camouflage, spread cohorts, whitewashing.

Each attack is played into a simulated market (`simulation.simulated_market`), and the displacement of the attacked
prompt is compared with three plain ways to average stars. The scoring code itself is used, not a copy. The scenario is
that of `scoring.md`; docs/attacks.md describes it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mintmark.scoring import prompt_model, prompt_posterior, prompt_readout
from mintmark.scoring.reputation_constants import ReputationPolicy
from mintmark.simulation import simulated_market
from mintmark.simulation.simulated_market import (
    COHORTS,
    HONEST,
    METHODS,
    NOW,
    OUTSIDE,
    PROMPTS,
    TARGET,
    SimulatedMarket,
)

PROMOTED, SLANDERED = 0.2, 0.85
SHARES = (0.05, 0.25, 1.0)
CAMOUFLAGE, CAMOUFLAGE_SD = 20, 0.1
WHITEWASHED_RUNS = 20
SCARCE_RUNS = (1.0, 3.0, 10.0, 100.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """Sybils, `share` times as many as honest raters, all rate the target `vote`.

    `camouflage`: each first rates that many other prompts, more accurately than an honest rater would.
    `spread`: they belong to all cohorts and not to one of their own.
    """

    target_quality: float
    vote: float
    share: float
    camouflage: int = 0
    spread: bool = False

    @property
    def goal(self) -> str:
        return "promote" if self.vote > self.target_quality else "slander"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreShift:
    """(Score under attack − score without), by method: the mean over seeds, and the largest."""

    attack: Attack
    mean: dict[str, float]
    largest: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAttack:
    """Without attack: mean |score − true quality| over all prompts, and of the two targets."""

    error: dict[str, float]
    target_error: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Whitewashing:
    """Gain of a bad prompt under a new identity, as an edit of itself, and as a chain of five.

    `kappa` is the prior weight, learned from the market or the policy's default.
    """

    kappa: float
    new_identity: float
    trivial_edit: float
    five_edits: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HonestRatings:
    """Mean error over all prompts with and without honest ratings, at so many runs a prompt."""

    runs: float
    with_ratings: float
    without_ratings: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AttackReport:
    """The result of `mintmark simulate attack`; `kappa` is the mean of what was learned.

    `chosen_votes` are attacks with all sybils, camouflaged and spread, whose votes are less than extreme.
    """

    seeds: int
    policy: ReputationPolicy
    kappa: float
    peace: NoAttack
    displacements: tuple[ScoreShift, ...]
    chosen_votes: tuple[ScoreShift, ...]
    washing: tuple[Whitewashing, ...]
    honest: tuple[HonestRatings, ...]


def list_attacks() -> tuple[Attack, ...]:
    """Every combination of goal, share and style."""
    return tuple(
        Attack(target_quality=quality, vote=vote, share=share, camouflage=hidden, spread=spread)
        for quality, vote in ((PROMOTED, 1.0), (SLANDERED, 0.0))
        for share in SHARES
        for hidden, spread in ((0, False), (CAMOUFLAGE, False), (0, True), (CAMOUFLAGE, True))
    )


def list_chosen_vote_attacks() -> tuple[Attack, ...]:
    """The strongest attack, with votes at every distance: extreme votes may not be the most effective."""
    return tuple(
        Attack(target_quality=quality, vote=vote, share=1.0, camouflage=CAMOUFLAGE, spread=True)
        for quality, votes in (
            (PROMOTED, (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)),
            (SLANDERED, (0.75, 0.65, 0.55, 0.45, 0.35, 0.25, 0.15)),
        )
        for vote in votes
    )


def run_attack(
    peaceful: SimulatedMarket, attack: Attack, *, rng: np.random.Generator
) -> SimulatedMarket:
    """The market after the sybils have rated; `peaceful` is not changed."""
    sybils = round(attack.share * HONEST)
    rater = HONEST + np.arange(sybils)
    cohort = np.arange(sybils) % COHORTS if attack.spread else np.full(sybils, OUTSIDE)
    disguise_prompts = np.array(
        [1 + rng.choice(PROMPTS - 1, attack.camouflage, replace=False) for _ in rater],
        dtype=np.int64,
    )
    disguise = peaceful.quality[disguise_prompts] + rng.normal(
        0.0, CAMOUFLAGE_SD, disguise_prompts.shape
    )

    prompt = np.concatenate([disguise_prompts.ravel(), np.full(sybils, TARGET)])
    score = np.concatenate([np.clip(disguise, 0.0, 1.0).ravel(), np.full(sybils, attack.vote)])
    events = simulated_market.build_ratings(
        np.concatenate([np.repeat(rater, attack.camouflage), rater]),
        prompt,
        score,
        cohort=np.concatenate([np.repeat(cohort, attack.camouflage), cohort]),
    )
    state = copy.deepcopy(peaceful.state)
    prompt_model.fold(peaceful.policy, state, events)
    return SimulatedMarket(
        peaceful.policy,
        peaceful.quality,
        state,
        np.concatenate([peaceful.rated_prompt, prompt]),
        np.concatenate([peaceful.rated_score, score]),
    )


def simulate_whitewashing(played: SimulatedMarket, *, rng: np.random.Generator) -> Whitewashing:
    """Give a prompt of true quality 0.2 twenty runs, then register it again in three ways.

    Nobody runs the new prompts. The market's spare rows are used up.
    """
    bad, stranger, edit, last_edit = PROMPTS, PROMPTS + 1, PROMPTS + 2, PROMPTS + 6
    state = played.state
    home = prompt_posterior.home_mean(state.fleet, state.rituals, 0)
    events = simulated_market.build_outcomes(
        np.full(WHITEWASHED_RUNS, bad),
        (rng.random(WHITEWASHED_RUNS) < PROMOTED).astype(float),
        baseline=np.full(WHITEWASHED_RUNS, home),
    )
    prompt_model.fold(played.policy, state, events)
    state.prompts.home[stranger] = 0
    state.prompts.parent[edit : last_edit + 1] = [bad, *range(edit, last_edit)]
    rows = np.array([bad, stranger, edit, last_edit])
    read = prompt_readout.compute_scores(played.policy, state, rows, now_days=NOW).trust_score
    return Whitewashing(
        kappa=played.kappa,
        new_identity=float(read[1] - read[0]),
        trivial_edit=float(read[2] - read[0]),
        five_edits=float(read[3] - read[0]),
    )


def simulate(
    *,
    policy: ReputationPolicy,
    seeds: int,
    progress: Callable[[str], None] = lambda _: None,
) -> AttackReport:
    """The whole report over `seeds` markets a target; the same arguments give the same numbers."""
    plans = (*list_attacks(), *list_chosen_vote_attacks())
    score_shifts: list[list[dict[str, float]]] = [[] for _ in plans]
    errors, target_errors, kappas = [], [], []
    for seed in range(seeds):
        for quality in (PROMOTED, SLANDERED):
            rng = np.random.default_rng([seed, round(100 * quality)])
            peaceful = simulated_market.play(policy=policy, rng=rng, target_quality=quality)
            before = simulated_market.score_by_method(peaceful)
            off = {m: np.abs(before[m] - peaceful.quality) for m in METHODS}
            errors.append({m: float(off[m].mean()) for m in METHODS})
            target_errors.append({m: float(off[m][TARGET]) for m in METHODS})
            kappas.append(peaceful.kappa)
            for plan, log in zip(plans, score_shifts, strict=True):
                if plan.target_quality == quality:
                    after = simulated_market.score_by_method(run_attack(peaceful, plan, rng=rng))
                    log.append({m: float(after[m][TARGET] - before[m][TARGET]) for m in METHODS})
        progress(f"market {seed + 1} of {seeds}: attacked in {len(plans)} ways")
    displacements = tuple(map(_build_score_shift, plans, score_shifts))

    progress("washing off a record")
    washing = tuple(
        _average_whitewashing(policy=policy, seeds=seeds, learn=learn) for learn in (True, False)
    )
    honest = []
    for runs in SCARCE_RUNS:
        progress(f"honest ratings at {runs:g} measured runs a prompt")
        honest.append(_measure_honest_ratings(policy=policy, seeds=seeds, runs=runs))
    return AttackReport(
        seeds=seeds,
        policy=policy,
        kappa=float(np.mean(kappas)),
        peace=NoAttack(error=_mean_by_method(errors), target_error=_mean_by_method(target_errors)),
        displacements=displacements[: len(list_attacks())],
        chosen_votes=displacements[len(list_attacks()) :],
        washing=washing,
        honest=tuple(honest),
    )


def _build_score_shift(attack: Attack, score_shifts: Sequence[dict[str, float]]) -> ScoreShift:
    return ScoreShift(
        attack=attack,
        mean=_mean_by_method(score_shifts),
        largest={m: max((row[m] for row in score_shifts), key=abs) for m in METHODS},
    )


def _mean_by_method(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    return {m: float(np.mean([row[m] for row in rows])) for m in METHODS}


def _average_whitewashing(*, policy: ReputationPolicy, seeds: int, learn: bool) -> Whitewashing:
    washed = []
    for seed in range(seeds):
        rng = np.random.default_rng([seed, 1])
        washed.append(
            simulate_whitewashing(
                simulated_market.play(policy=policy, rng=rng, learn=learn), rng=rng
            )
        )
    return Whitewashing(
        kappa=float(np.mean([w.kappa for w in washed])),
        new_identity=float(np.mean([w.new_identity for w in washed])),
        trivial_edit=float(np.mean([w.trivial_edit for w in washed])),
        five_edits=float(np.mean([w.five_edits for w in washed])),
    )


def _measure_honest_ratings(*, policy: ReputationPolicy, seeds: int, runs: float) -> HonestRatings:
    def error(*, with_ratings: bool) -> float:
        off = []
        for seed in range(seeds):
            played = simulated_market.play(
                policy=policy,
                rng=np.random.default_rng([seed, 2]),
                mean_runs=runs,
                with_ratings=with_ratings,
            )
            trust = simulated_market.score_by_method(played)["mintmark"]
            off.append(float(np.abs(trust - played.quality).mean()))
        return float(np.mean(off))

    return HonestRatings(
        runs=runs,
        with_ratings=error(with_ratings=True),
        without_ratings=error(with_ratings=False),
    )
