"""Where a prompt stands: its sums at a time, what it inherits, and the score that they make.

Shared by the fold, which reports a standing before and after each event, and by `core.scores`,
which reads one for a page: so both say the same, to the last bit.
"""

from __future__ import annotations

from mintmark.core import ageing, opinion
from mintmark.core.jit import njit
from mintmark.core.reputation_policy import Constants
from mintmark.core.reputation_state import (
    APPROVAL,
    OUTCOME,
    RATING,
    REPLAY,
    Fleet,
    Floats,
    Prompts,
    Rituals,
)

# Without one measured event anywhere, an average prompt is taken to succeed every other time.
HOME_UNKNOWN = 0.5
# A score is never certain: neither a Beta interval nor a log loss exists at 0 or 1.
LOWEST, HIGHEST = 0.001, 0.999

# The compiler reads a function's globals, not another module's attributes.
_remaining = ageing.remaining
_effective_size = opinion.effective_size
_credibility = opinion.credibility


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
