"""A prompt's score as of a time: its decayed sums, what it inherits, and the score computed from both.

Shared by the fold, which reports a score before and after each event, and by `scoring.prompt_readout`, which reads one
for a page: so both give the same, to the last bit.
"""

from __future__ import annotations

from mintmark.scoring import decay, opinion_pool
from mintmark.scoring.jit import njit
from mintmark.scoring.prompt_state import (
    APPROVAL,
    OUTCOME,
    RATING,
    REPLAY,
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
    as_of_days = max(at_days, prompts.at[source])
    elapsed = as_of_days - prompts.at[source]
    measured = _decay_factor(elapsed, constants.half_life_measured_days)
    opined = _decay_factor(elapsed, constants.half_life_opinion_days)
    total = 0.0
    inherited = 0.0
    for s in range(4):
        decay_share = measured if s <= REPLAY else opined
        sums[0, s] = prompts.weight[source, s] * decay_share
        sums[1, s] = prompts.residual[source, s] * decay_share
        sums[2, s] = prompts.inherited[source, s] * decay_share
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
    return as_of_days, home


@njit
def opinion_gain(constants: KernelConstants, kappa: float, home: float, sums: Floats) -> float:
    """g of the pool of opinions: the runs as which it counts divided by its weight, in [0, 1]."""
    pool = sums[0, APPROVAL] + sums[0, RATING]
    if pool <= 1e-12:
        return 0.0
    size = kappa + sums[0, OUTCOME] + sums[0, REPLAY]
    effective_runs = _effective_size(pool, constants.opinion_share * size)
    measured = (sums[1, OUTCOME] + sums[1, REPLAY]) / size
    level = min(0.95, max(0.05, home + measured))
    disagreement = (sums[1, APPROVAL] + sums[1, RATING]) / pool - measured
    credibility = _credibility(
        disagreement, level * (1.0 - level), size, effective_runs, constants.opinion_tolerance
    )
    return min(1.0, float(effective_runs * credibility / pool))


@njit
def clip_score(score: float) -> float:
    """`score` clipped to the allowed range of scores."""
    return min(MAX_SCORE, max(MIN_SCORE, score))


@njit
def compute_posterior(
    constants: KernelConstants, kappa: float, home: float, sums: Floats
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
        clip_score(home + total / n),
        clip_score(home + sums[1, OUTCOME] / (kappa + sums[0, OUTCOME])),
        clip_score(home + sums[1, APPROVAL] / (kappa + sums[0, APPROVAL])),
        n,
        gain,
    )
