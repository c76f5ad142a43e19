"""Attack the scoring code: promotion, slander, camouflage, spread cohorts, washing off a record.

Each attack is played into a simulated market (`core.simulated_market`) and the displacement of the
attacked prompt read beside three plain ways to average stars. Nothing of the scoring is written a
second time here. The scenario is that of `scoring.md`; docs/attacks.md describes it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mintmark.core import reputation, scores, simulated_market, standing
from mintmark.core.reputation_policy import ReputationPolicy
from mintmark.core.simulated_market import (
    COHORTS,
    HONEST,
    METHODS,
    NOW,
    OUTSIDE,
    PROMPTS,
    TARGET,
    Market,
)

PROMOTED, SLANDERED = 0.2, 0.85
SHARES = (0.05, 0.25, 1.0)
CAMOUFLAGE, CAMOUFLAGE_SD = 20, 0.1
WASHED_RUNS = 20
SCARCE_RUNS = (1.0, 3.0, 10.0, 100.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """Sybils, `share` times as many as honest raters, all rate the target `vote`.

    `camouflage`: each first rates that many other prompts, better than an honest rater would.
    `spread`: they sit in all cohorts and not in one of their own.
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
class Displacement:
    """(Score under attack − score without), by method: the mean over seeds, and the largest."""

    attack: Attack
    mean: dict[str, float]
    largest: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Peace:
    """Without attack: mean |score − true quality| over all prompts, and of the two targets."""

    error: dict[str, float]
    target_error: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Washing:
    """Gain of a bad prompt under a new identity, as an edit of itself, and as a chain of five.

    `kappa` is the prior weight, learned from the market or the policy's default.
    """

    kappa: float
    new_identity: float
    trivial_edit: float
    five_edits: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HonestOpinion:
    """Mean error over all prompts with and without honest ratings, at so many runs a prompt."""

    runs: float
    with_ratings: float
    without_ratings: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that `mintmark simulate attack` prints; `kappa` is the mean of what was learned.

    `chosen_votes` are attacks by everybody, camouflaged and spread, that vote less than the utmost.
    """

    seeds: int
    policy: ReputationPolicy
    kappa: float
    peace: Peace
    displacements: tuple[Displacement, ...]
    chosen_votes: tuple[Displacement, ...]
    washing: tuple[Washing, ...]
    honest: tuple[HonestOpinion, ...]


def table() -> tuple[Attack, ...]:
    """Every combination of goal, share and style."""
    return tuple(
        Attack(target_quality=quality, vote=vote, share=share, camouflage=hidden, spread=spread)
        for quality, vote in ((PROMOTED, 1.0), (SLANDERED, 0.0))
        for share in SHARES
        for hidden, spread in ((0, False), (CAMOUFLAGE, False), (0, True), (CAMOUFLAGE, True))
    )


def chosen_votes() -> tuple[Attack, ...]:
    """The strongest attack with votes at every distance: a clever attacker does not shout."""
    return tuple(
        Attack(target_quality=quality, vote=vote, share=1.0, camouflage=CAMOUFLAGE, spread=True)
        for quality, votes in (
            (PROMOTED, (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)),
            (SLANDERED, (0.75, 0.65, 0.55, 0.45, 0.35, 0.25, 0.15)),
        )
        for vote in votes
    )


def strike(peaceful: Market, attack: Attack, *, rng: np.random.Generator) -> Market:
    """The market after the sybils have spoken; `peaceful` is left as it was."""
    sybils = round(attack.share * HONEST)
    rater = HONEST + np.arange(sybils)
    cohort = np.arange(sybils) % COHORTS if attack.spread else np.full(sybils, OUTSIDE)
    others = np.array(
        [1 + rng.choice(PROMPTS - 1, attack.camouflage, replace=False) for _ in rater],
        dtype=np.int64,
    )
    disguise = peaceful.quality[others] + rng.normal(0.0, CAMOUFLAGE_SD, others.shape)

    prompt = np.concatenate([others.ravel(), np.full(sybils, TARGET)])
    score = np.concatenate([np.clip(disguise, 0.0, 1.0).ravel(), np.full(sybils, attack.vote)])
    events = simulated_market.ratings(
        np.concatenate([np.repeat(rater, attack.camouflage), rater]),
        prompt,
        score,
        cohort=np.concatenate([np.repeat(cohort, attack.camouflage), cohort]),
    )
    state = copy.deepcopy(peaceful.state)
    reputation.fold(peaceful.policy, state, events)
    return Market(
        peaceful.policy,
        peaceful.quality,
        state,
        np.concatenate([peaceful.rated_prompt, prompt]),
        np.concatenate([peaceful.rated_score, score]),
    )


def wash(played: Market, *, rng: np.random.Generator) -> Washing:
    """Give a prompt of true quality 0.2 twenty runs, then register it again in three ways.

    Nobody runs the new ones. The market's spare rows are used up.
    """
    bad, stranger, edit, last_edit = PROMPTS, PROMPTS + 1, PROMPTS + 2, PROMPTS + 6
    state = played.state
    home = standing.home_mean(state.fleet, state.rituals, 0)
    events = simulated_market.outcomes(
        np.full(WASHED_RUNS, bad),
        (rng.random(WASHED_RUNS) < PROMOTED).astype(float),
        baseline=np.full(WASHED_RUNS, home),
    )
    reputation.fold(played.policy, state, events)
    state.prompts.home[stranger] = 0
    state.prompts.parent[edit : last_edit + 1] = [bad, *range(edit, last_edit)]
    rows = np.array([bad, stranger, edit, last_edit])
    read = scores.scores(played.policy, state, rows, now_days=NOW).trust_score
    return Washing(
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
) -> Report:
    """The whole report over `seeds` markets a target; the same arguments give the same numbers."""
    plans = (*table(), *chosen_votes())
    moved: list[list[dict[str, float]]] = [[] for _ in plans]
    errors, target_errors, kappas = [], [], []
    for seed in range(seeds):
        for quality in (PROMOTED, SLANDERED):
            rng = np.random.default_rng([seed, round(100 * quality)])
            peaceful = simulated_market.play(policy=policy, rng=rng, target_quality=quality)
            before = simulated_market.standings(peaceful)
            off = {m: np.abs(before[m] - peaceful.quality) for m in METHODS}
            errors.append({m: float(off[m].mean()) for m in METHODS})
            target_errors.append({m: float(off[m][TARGET]) for m in METHODS})
            kappas.append(peaceful.kappa)
            for plan, log in zip(plans, moved, strict=True):
                if plan.target_quality == quality:
                    after = simulated_market.standings(strike(peaceful, plan, rng=rng))
                    log.append({m: float(after[m][TARGET] - before[m][TARGET]) for m in METHODS})
        progress(f"market {seed + 1} of {seeds}: attacked in {len(plans)} ways")
    displacements = tuple(map(_displacement, plans, moved))

    progress("washing off a record")
    washing = tuple(_washing(policy=policy, seeds=seeds, learn=learn) for learn in (True, False))
    honest = []
    for runs in SCARCE_RUNS:
        progress(f"honest ratings at {runs:g} measured runs a prompt")
        honest.append(_honest(policy=policy, seeds=seeds, runs=runs))
    return Report(
        seeds=seeds,
        policy=policy,
        kappa=float(np.mean(kappas)),
        peace=Peace(error=_mean(errors), target_error=_mean(target_errors)),
        displacements=displacements[: len(table())],
        chosen_votes=displacements[len(table()) :],
        washing=washing,
        honest=tuple(honest),
    )


def _displacement(attack: Attack, moved: Sequence[dict[str, float]]) -> Displacement:
    return Displacement(
        attack=attack,
        mean=_mean(moved),
        largest={m: max((row[m] for row in moved), key=abs) for m in METHODS},
    )


def _mean(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    return {m: float(np.mean([row[m] for row in rows])) for m in METHODS}


def _washing(*, policy: ReputationPolicy, seeds: int, learn: bool) -> Washing:
    washed = []
    for seed in range(seeds):
        rng = np.random.default_rng([seed, 1])
        washed.append(wash(simulated_market.play(policy=policy, rng=rng, learn=learn), rng=rng))
    return Washing(
        kappa=float(np.mean([w.kappa for w in washed])),
        new_identity=float(np.mean([w.new_identity for w in washed])),
        trivial_edit=float(np.mean([w.trivial_edit for w in washed])),
        five_edits=float(np.mean([w.five_edits for w in washed])),
    )


def _honest(*, policy: ReputationPolicy, seeds: int, runs: float) -> HonestOpinion:
    def error(*, with_ratings: bool) -> float:
        off = []
        for seed in range(seeds):
            played = simulated_market.play(
                policy=policy,
                rng=np.random.default_rng([seed, 2]),
                mean_runs=runs,
                with_ratings=with_ratings,
            )
            trust = simulated_market.standings(played)["mintmark"]
            off.append(float(np.abs(trust - played.quality).mean()))
        return float(np.mean(off))

    return HonestOpinion(
        runs=runs,
        with_ratings=error(with_ratings=True),
        without_ratings=error(with_ratings=False),
    )
