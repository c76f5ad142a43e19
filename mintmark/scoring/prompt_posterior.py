"""A prompt's score as of a time: its decayed sums, what it inherits, and the score computed from both.

Shared by the fold, which reports a score before and after each event, and by `scoring.prompt_readout`, which reads one
for a page: so both give the same, to the last bit.
"""

from __future__ import annotations

from mintmark.scoring import claim_weights, decay, opinion_pool
from mintmark.scoring.jit import njit
from mintmark.scoring.prompt_state import (
    APPROVAL,
    CLAIM,
    OUTCOME,
    RATING,
    REPLAY,
    SOURCE_COUNT,
    WORD,
    FleetSums,
    Floats,
    Prompts,
    Rituals,
)
from mintmark.scoring.reputation_constants import KernelConstants

# Without any measured event, an average prompt is assumed to succeed half of the time.
DEFAULT_HOME_MEAN = 0.5
# A score is never certain: neither a Beta interval nor a log loss exists at 0 or 1.
MIN_SCORE, MAX_SCORE = 0.001, 0.999

# The compiler reads a function's globals, not another module's attributes.
_decay_factor = decay.decay_factor
_effective_size = opinion_pool.effective_size
_credibility = opinion_pool.credibility
_claim_credibility = claim_weights.credibility
_run_variance = claim_weights.run_variance


@njit
def home_mean(fleet: FleetSums, rituals: Rituals, ritual: int) -> float:
    """Expected score of an average prompt on a ritual, its assistants counting equally.

    The mean over rituals where this one has no assistant yet, one half where no ritual has. A
    single assistant's baseline is already a shrunk posterior mean, so it is not shrunk a second
    time.
    """
    if ritual >= 0 and rituals.assistants[ritual] > 0.0:
        return float(rituals.baselines[ritual] / rituals.assistants[ritual])
    if fleet.rituals[0] > 0.0:
        return float(fleet.ritual_means[0] / fleet.rituals[0])
    return DEFAULT_HOME_MEAN


@njit
def compute_sums(
    constants: KernelConstants, prompts: Prompts, prompt: int, at_days: float, sums: Floats
) -> tuple[float, int, float]:
    """Write a prompt's W, R and inherited W at a time into the rows of `sums` (3, 6).

    Returns the time they stand for (never before the row's own), the home ritual, and Q of the claims. A prompt
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
        return at_days, home, 0.0
    as_of_days = max(at_days, prompts.at[source])
    elapsed = as_of_days - prompts.at[source]
    measured = _decay_factor(elapsed, constants.half_life_measured_days)
    opined = _decay_factor(elapsed, constants.half_life_opinion_days)
    noise = prompts.noise[source] * measured * measured
    total = 0.0
    inherited = 0.0
    for s in range(SOURCE_COUNT):
        decay_share = opined if s in (APPROVAL, RATING) else measured
        sums[0, s] = prompts.weight[source, s] * decay_share
        sums[1, s] = prompts.residual[source, s] * decay_share
        sums[2, s] = prompts.inherited[source, s] * decay_share
        total += sums[0, s]
        inherited += sums[2, s]
    if source != prompt:
        share = constants.inheritance
        if total > 0.0:
            share = max(share, min(1.0, inherited / total))
        noise *= share * share
        for s in range(SOURCE_COUNT):
            sums[0, s] *= share
            sums[1, s] *= share
            sums[2, s] = sums[0, s]
    return as_of_days, home, noise


@njit
def claim_gain(kappa: float, home: float, sums: Floats, noise: float) -> float:
    """cred of the teams' claims, in [0, 1]: 1 up to ℓ from what was executed, ℓ/distance beyond
    (`scoring.claim_weights`)."""
    if sums[0, CLAIM] <= 1e-12:
        return 0.0
    size = kappa + sums[0, OUTCOME] + sums[0, REPLAY]
    executed = (sums[1, OUTCOME] + sums[1, REPLAY]) / size
    return _claim_credibility(
        sums[0, CLAIM], sums[1, CLAIM], noise, executed, size, _run_variance(home)
    )


@njit
def pool_gain(
    constants: KernelConstants,
    kappa: float,
    home: float,
    sums: Floats,
    claims: float,
    pool: float,
    pool_residual: float,
    share: float,
) -> float:
    """g of a pool of what can't be checked: the runs as which it counts divided by its weight, in [0, 1].

    Its capacity is a `share` of what was executed alone, so that claims don't make room for it.
    """
    if pool <= 1e-12:
        return 0.0
    size = kappa + sums[0, OUTCOME] + sums[0, REPLAY]
    effective_runs = _effective_size(pool, share * size)
    measured = (sums[1, OUTCOME] + sums[1, REPLAY] + claims * sums[1, CLAIM]) / (
        size + claims * sums[0, CLAIM]
    )
    level = min(0.95, max(0.05, home + measured))
    credibility = _credibility(
        pool_residual / pool - measured,
        level * (1.0 - level),
        size,
        effective_runs,
        constants.opinion_tolerance,
    )
    return min(1.0, float(effective_runs * credibility / pool))


@njit
def clip_score(score: float) -> float:
    """`score` clipped to the allowed range of scores."""
    return min(MAX_SCORE, max(MIN_SCORE, score))


@njit
def compute_posterior(
    constants: KernelConstants, kappa: float, home: float, sums: Floats, noise: float
) -> tuple[float, float, float, float, float, float, float]:
    """Trust, ritual effectiveness, assistant approval, N, the claims' cred, the g of opinions and of word, from one
    prompt's sums.

    The second and third are the same estimate from outcomes (executed, claimed and word) and from approvals alone; no
    cap acts on approvals where there is nothing to outweigh.
    """
    claims = claim_gain(kappa, home, sums, noise)
    gain = pool_gain(
        constants,
        kappa,
        home,
        sums,
        claims,
        sums[0, APPROVAL] + sums[0, RATING],
        sums[1, APPROVAL] + sums[1, RATING],
        constants.opinion_share,
    )
    word = pool_gain(
        constants, kappa, home, sums, claims, sums[0, WORD], sums[1, WORD], constants.word_share
    )
    reported = claims * sums[0, CLAIM] + word * sums[0, WORD]
    reported_residual = claims * sums[1, CLAIM] + word * sums[1, WORD]
    n = (
        kappa
        + sums[0, OUTCOME]
        + sums[0, REPLAY]
        + gain * sums[0, APPROVAL]
        + gain * sums[0, RATING]
    )
    n += reported
    total = sums[1, OUTCOME] + sums[1, REPLAY] + gain * sums[1, APPROVAL] + gain * sums[1, RATING]
    total += reported_residual
    outcomes = sums[1, OUTCOME] + reported_residual
    return (
        clip_score(home + total / n),
        clip_score(home + outcomes / (kappa + sums[0, OUTCOME] + reported)),
        clip_score(home + sums[1, APPROVAL] / (kappa + sums[0, APPROVAL])),
        n,
        claims,
        gain,
        word,
    )
