"""Which claims to run again: half of the audits are spread evenly over teams, half go where claims decide most."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Of claimed runs, this share is run again; a claim counts as at most so many runs, each audit runs so many cases.
DEFAULT_SHARE = 0.02
MAX_RUNS_COUNTED = 200
CASES_EACH = 3
# A prompt is chosen with a probability proportional to this power of how far claims move it.
POWER = 4.0


def count_audits(runs: Floats, *, share: float = DEFAULT_SHARE) -> float:
    """How many audits so many claims pay for; a fraction is to be carried over."""
    return float(np.minimum(runs, MAX_RUNS_COUNTED).sum()) * share / CASES_EACH


def choose_claims(
    *,
    team: Ints,
    prompt: Ints,
    pull: Floats,
    moved: Floats,
    audits: int,
    rng: np.random.Generator,
) -> Ints:
    """Choose up to `audits` of the claims that can be run again; returns their positions, each once.

    `team`, `prompt` and `pull` (n,) are of the claims: `pull` is how strongly a claim pulls at its prompt's score.
    `moved` (n,) is how far all claims together move the claim's prompt.
    """
    if not len(team) or audits <= 0:
        return np.empty(0, dtype=np.int64)
    _, team_row, per_team = np.unique(team, return_inverse=True, return_counts=True)
    even = 1.0 / per_team[team_row]
    even /= even.sum()
    _, prompt_row = np.unique(prompt, return_inverse=True)
    pulls = np.bincount(prompt_row, pull)[prompt_row]
    decisive = np.abs(moved) ** POWER * np.where(pulls > 0.0, pull / np.maximum(pulls, 1e-12), 0.0)
    total = decisive.sum()
    chance = 0.5 * even + 0.5 * (decisive / total if total > 0.0 else even)
    count = min(audits, int(np.count_nonzero(chance)))
    chosen: Ints = rng.choice(len(team), size=count, replace=False, p=chance / chance.sum())
    return chosen
