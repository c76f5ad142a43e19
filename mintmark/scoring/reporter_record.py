"""The record of a reporting team: λ, its share of false claims, learned from claims that were run again.

λ has one of five values. A verdict compares a claim with a new execution of the same cases; with d the difference of
the two mean scores and n the cases, it multiplies the odds of each λ by

    λ/2 + (1 − λ)·q(d),   q = 0.9·N(d; 0, v) + 0.1·N(d; 0, 4v),   v = φV/n + s²

V is the variance of a run on the task, φV that of the difference of two runs of one case, which is learned from cases
that were executed twice, and s how much honest harnesses differ. A false claim may be anything: d is uniform over [−1,
1]. How frequent each λ is among all teams is learned too, by EM; a share of it stays with liars, however honest
everybody was so far.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FALSE_SHARES = np.array([0.003, 0.03, 0.1, 0.3, 0.8])
DEFAULT_PRIOR = np.array([0.45, 0.15, 0.1, 0.1, 0.2])
FALSE_DENSITY = 0.5
# What the prior keeps at least on teams that lie in three claims of ten or more.
MIN_LIARS = 0.15
_LIARS = FALSE_SHARES >= 0.3
# The prior counts as so many teams when the frequencies of λ are learned.
PRIOR_TEAMS = 10.0
ROUNDS = 20
# Teams and prompts explain the same verdicts; a few turns settle which does.
TURNS = 4
# The same for the claims about one prompt: most prompts are not attacked.
PROMPT_PRIOR = np.array([0.95, 0.03, 0.01, 0.005, 0.005])
# A common error of all claims about one prompt, and how frequent it is before anything was learned.
BIAS_SD, ATTACK_FREQUENCY = 0.25, 0.05
# φ before any case was executed twice, and the repeated cases as which that counts.
DEFAULT_NOISE_SHARE, NOISE_PRIOR_CASES = 1.0, 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One claim compared with a new execution. `difference` is claimed minus executed mean score over `cases` cases,
    `variance` V of the task and `noise_share` φ of it."""

    difference: float
    cases: int
    variance: float
    noise_share: float


def compute_honest_density(verdict: Verdict, *, harness_sd: float) -> float:
    """q(d): how probable this difference is where the claim is true."""
    v = verdict.noise_share * verdict.variance / verdict.cases + harness_sd * harness_sd
    return 0.9 * _density(verdict.difference, v) + 0.1 * _density(verdict.difference, 4.0 * v)


def compute_posterior(log_odds: Floats, prior: Floats = DEFAULT_PRIOR) -> Floats:
    """The probability of each λ, (…, 5), after summed `log_odds` (…, 5)."""
    weights = np.exp(log_odds - log_odds.max(axis=-1, keepdims=True)) * prior
    posterior: Floats = weights / weights.sum(axis=-1, keepdims=True)
    return posterior


def compute_false_share(posterior: Floats, *, harness_sd: float, false_distance: float) -> Floats:
    """The one λ, (…), that gives a team's claims the precision expected under `posterior` (…, 5).

    A team that is nearly surely honest is not held down by the small chance that it lies throughout: precisions
    1/(s² + λD²) are averaged, not λ.
    """
    error = harness_sd**2 + FALSE_SHARES * false_distance**2
    share: Floats = (1.0 / (posterior @ (1.0 / error)) - harness_sd**2) / false_distance**2
    return share


def learn_prior(log_odds: Floats) -> Floats:
    """How frequent each λ is, (5,), from the teams with verdicts, (teams, 5), by EM.

    `DEFAULT_PRIOR` counts as `PRIOR_TEAMS` teams; at least `MIN_LIARS` stays with λ ≥ 0.3.
    """
    prior = DEFAULT_PRIOR
    if not len(log_odds):
        return prior
    for _ in range(ROUNDS):
        teams = compute_posterior(log_odds, prior).sum(axis=0)
        prior = (teams + PRIOR_TEAMS * DEFAULT_PRIOR) / (len(log_odds) + PRIOR_TEAMS)
    liars = float(prior[_LIARS].sum())
    if liars < MIN_LIARS:
        prior = np.where(
            _LIARS, prior * (MIN_LIARS / liars), prior * ((1.0 - MIN_LIARS) / (1.0 - liars))
        )
    return prior


def learn_noise_share(squared_differences: Floats, variances: Floats) -> float:
    """φ of a task: the mean of (first − second)² over cases that were executed twice, in units of V."""
    total = float(np.sum(squared_differences / variances)) if len(variances) else 0.0
    return (NOISE_PRIOR_CASES * DEFAULT_NOISE_SHARE + total) / (NOISE_PRIOR_CASES + len(variances))


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """What is learned from all verdicts. `team_share` is λ of each team (those without a verdict included),
    `verdicts` how many it has; `prompt_share` is λ of the claims about each prompt, whoever makes them."""

    team_share: Floats
    verdicts: Ints
    prompt_share: Floats

    def compute_pair_share(self, team: int, prompt: int) -> float:
        """λ of a team's claims about a prompt: they are false as the team's or as the prompt's are."""
        honest = (1.0 - float(self.team_share[team])) * (1.0 - float(self.prompt_share[prompt]))
        return 1.0 - honest


def learn_records(
    *,
    team: Ints,
    prompt: Ints,
    density: Floats,
    teams: int,
    prompts: int,
    harness_sd: float,
    false_distance: float,
    difference: Floats | None = None,
    variance: Floats | None = None,
    audit: Ints | None = None,
) -> Records:
    """Learn from all verdicts: `team` and `prompt` (n,) number whose claim about what, `density` (n,) is q(d).

    A claim is false as its team's are, or as its prompt's are: a false claim by a team whose others are true says that
    this prompt is attacked, also by those that were not caught; one by a known liar says nothing of the prompt. The two
    are learned in turns.

    With `difference` (n,), claimed minus executed, its `variance` φV/n where the claim is true, and `audit`, which
    re-run it was compared with, in the order of the re-runs, a prompt is also attacked where its claims are off in one
    direction (`compute_attack_chances`).
    """
    verdicts = np.bincount(team, minlength=teams).astype(np.int64)
    team_posterior = np.tile(DEFAULT_PRIOR, (teams, 1))
    prompt_posterior = np.tile(PROMPT_PRIOR, (prompts, 1))
    for _ in range(TURNS):
        by_team = np.zeros((teams, 5))
        np.add.at(by_team, team, _log_odds(density, (prompt_posterior @ FALSE_SHARES)[prompt]))
        team_posterior = compute_posterior(by_team, learn_prior(by_team[verdicts > 0]))
        by_prompt = np.zeros((prompts, 5))
        np.add.at(by_prompt, prompt, _log_odds(density, (team_posterior @ FALSE_SHARES)[team]))
        prompt_posterior = compute_posterior(by_prompt, PROMPT_PRIOR)
    prompt_share = prompt_posterior @ FALSE_SHARES
    if difference is not None and variance is not None and audit is not None:
        chance = compute_attack_chances(
            prompt=prompt,
            audit=audit,
            difference=difference,
            variance=variance,
            weight=(1.0 - team_posterior @ FALSE_SHARES)[team] ** 2,
            prompts=prompts,
            harness_sd=harness_sd,
        )
        # Squared: a small chance of an attack, which every prompt has, must not hold honest claims down.
        prompt_share = 1.0 - (1.0 - prompt_share) * (1.0 - chance**2)
    return Records(
        team_share=compute_false_share(
            team_posterior, harness_sd=harness_sd, false_distance=false_distance
        ),
        verdicts=verdicts,
        prompt_share=prompt_share,
    )


def compute_attack_chances(
    *,
    prompt: Ints,
    audit: Ints,
    difference: Floats,
    variance: Floats,
    weight: Floats,
    prompts: int,
    harness_sd: float,
) -> Floats:
    """The probability, (prompts,), that the claims about a prompt have been off by one common amount since some re-run.

    The claims that one re-run judges share its noise, so each `audit` counts once, by the mean of its differences under
    `weight`. Where a prompt is not attacked their mean is 0; where it is, it is normal around 0 with sd `BIAS_SD`, from
    any of the re-runs on with equal probability. How frequent attacks are is learned by EM.
    """
    if not len(prompt):
        return np.zeros(prompts)
    _, first, of = np.unique(audit, return_index=True, return_inverse=True)
    share = weight / np.bincount(of, weight)[of]
    mean = np.bincount(of, share * difference)
    spread = np.bincount(of, share * share)
    noise = 0.5 * np.bincount(of, share * variance) * (1.0 + spread) + harness_sd**2 * spread
    log_factor = np.full(prompts, -np.inf)
    for p in np.unique(prompt).tolist():
        here = np.flatnonzero(prompt[first] == p)
        precision = np.cumsum((1.0 / noise[here])[::-1])
        since = np.cumsum((mean[here] / noise[here])[::-1]) / precision
        v, wide = 1.0 / precision, 1.0 / precision + BIAS_SD**2
        factors = 0.5 * (np.log(v / wide) + since**2 * (1.0 / v - 1.0 / wide))
        top = factors.max()
        log_factor[p] = top + math.log(np.exp(factors - top).mean())
    frequency = ATTACK_FREQUENCY
    known = np.isfinite(log_factor)
    odds = np.exp(np.clip(log_factor, -50.0, 50.0))
    chance = odds
    for _ in range(ROUNDS):
        chance = frequency * odds / (frequency * odds + 1.0 - frequency)
        seen = PRIOR_TEAMS * ATTACK_FREQUENCY + chance[known].sum()
        frequency = seen / (PRIOR_TEAMS + known.sum())
    return np.where(known, chance, 0.0)


def _log_odds(density: Floats, other_share: Floats) -> Floats:
    """Per verdict and λ, (n, 5): log of its probability, where it may be false for another reason too."""
    share = 1.0 - (1.0 - FALSE_SHARES) * (1.0 - other_share[:, None])
    odds: Floats = np.log(FALSE_DENSITY * share + (1.0 - share) * density[:, None])
    return odds


def _density(difference: float, variance: float) -> float:
    return math.exp(-0.5 * difference * difference / variance) / math.sqrt(2.0 * math.pi * variance)
