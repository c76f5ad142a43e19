"""What an edit gained: a child compared with its parent, assistant by assistant on the same ritual."""

from collections.abc import Sequence

import numpy as np

from mintmark.core import kinds
from mintmark.evidence.models import Event
from mintmark.registry.models import Prompt

from .answers import Estimate

_NINETY = 1.6448536269514722


def over_parents(children: Sequence[Prompt]) -> list[tuple[Prompt, Estimate | None]]:
    """Each child with its paired gain over its parent: the mean over (assistant, ritual) of the difference in mean
    measured score, weighted by h = n·n'/(n + n') runs, with the interval of a weighted mean of differences."""
    wanted = {c.pk for c in children} | {c.parent_id for c in children if c.parent_id is not None}
    cells: dict[int, dict[tuple[int, int], tuple[float, float]]] = {}
    for prompt, assistant, ritual, score, runs in Event.objects.filter(
        prompt__in=wanted, kind=kinds.Kind.OUTCOME
    ).values_list("prompt", "assistant", "ritual", "score", "runs"):
        mean, n = cells.setdefault(prompt, {}).get((assistant, ritual), (0.0, 0.0))
        cells[prompt][assistant, ritual] = ((mean * n + score * runs) / (n + runs), n + runs)
    found: list[tuple[Prompt, Estimate | None]] = []
    for child in children:
        own = cells.get(child.pk, {})
        theirs = cells.get(child.parent_id or 0, {})
        shared = [(own[cell], theirs[cell]) for cell in own.keys() & theirs.keys()]
        found.append((child, _paired(sorted(shared))))
    return found


def _paired(
    shared: Sequence[tuple[tuple[float, float], tuple[float, float]]],
) -> Estimate | None:
    if not shared:
        return None
    differences = np.array([own[0] - theirs[0] for own, theirs in shared])
    weights = np.array([own[1] * theirs[1] / (own[1] + theirs[1]) for own, theirs in shared])
    mean = float((weights * differences).sum() / weights.sum())
    # Binomial noise of each difference, at least that of a fair half run, and the spread between assistants.
    noise = np.array(
        [
            max(own[0] * (1 - own[0]), 0.5 / (own[1] + 1)) / own[1]
            + max(theirs[0] * (1 - theirs[0]), 0.5 / (theirs[1] + 1)) / theirs[1]
            for own, theirs in shared
        ]
    )
    share = weights / weights.sum()
    variance = float((share**2 * noise).sum())
    if len(shared) > 1:
        spread = float((share * (differences - mean) ** 2).sum()) / (len(shared) - 1)
        variance = max(variance, spread)
    half = _NINETY * variance**0.5
    return Estimate(
        value=mean,
        low=max(-1.0, mean - half),
        high=min(1.0, mean + half),
        runs=float(weights.sum()),
    )
