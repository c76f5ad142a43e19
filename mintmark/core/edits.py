"""What would an edit of a prompt's wording change? Foresight from the text alone, for texts that never ran."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mintmark.core import intervals, predictions, wording
from mintmark.core.pair_policy import PairPolicy
from mintmark.core.pairs import Floats, Ints, PairState

SHORTEST_STEP = 1e-4
"""The slope of σ is taken over no shorter a stretch of η than this: a shorter one is all rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What the model says of two texts for each of n assistants, in points of score (0.04 = four points).

    `parent` and `edited` predict both texts as if new: without the record that either may have.
    `change` (n,) is edited less parent, and is the exact sum of `effects` (n, wording.STYLE: one a
    readable feature, 0 where the texts agree), `hashed` (n,: the hashed projections) and `spread`
    (n,: what being surer or less sure of η does to the expected score). `low` and `high`, of the
    change and of each effect, are the score at the ends of the 90% interval of the slopes that
    the edit moves along: what the wording may do, not what else two prompts may differ in.
    """

    parent: predictions.Prediction
    edited: predictions.Prediction
    change: Floats
    low: Floats
    high: Floats
    effects: Floats
    effects_low: Floats
    effects_high: Floats
    hashed: Floats
    spread: Floats


def compare(
    policy: PairPolicy,
    state: PairState,
    *,
    assistant: Ints,
    ritual: Ints,
    assistant_ritual: Ints,
    parent: Floats,
    edited: Floats,
    now_days: float,
) -> Edit:
    """Compare two texts, each given by its `wording.features`, for n assistants, without changing the state.

    The three index columns (n,) are as in `predictions.PairRows`; −1 is somebody never seen. Where
    a ritual has no mean wording yet, both texts are held against the parent's.

    With Δ = Σⱼ Δxⱼ·slopeⱼ the effect of feature j is Δxⱼ·slopeⱼ times the mean slope of the
    expected score between the two texts: on a straight way through one index, that is each
    feature's Aumann-Shapley value (Values of Non-Atomic Games, 1974).
    """
    n = assistant.size
    never = np.full(n, -1, dtype=np.int64)
    before = predictions.PairRows(
        assistant=assistant,
        ritual=ritual,
        assistant_ritual=assistant_ritual,
        prompt=never,
        pair=never,
        features=np.broadcast_to(parent, (n, wording.WIDTH)),
        stand_in=parent,
    )
    after = replace(before, features=np.broadcast_to(edited, (n, wording.WIDTH)))
    was = predictions.predict(policy, state, before, now_days=now_days)
    would = predictions.predict(policy, state, after, now_days=now_days)

    slope, variance = predictions.slopes(policy, state, before, now_days=now_days)
    # Not the difference of two centred rows: the centre cancels, and with it its rounding.
    moved = (edited - parent) * np.asarray(policy.feature_scale)
    logits = moved * slope
    doubt = predictions.NINETY * np.sqrt(policy.interval_scale * moved * moved * variance)
    whole_doubt = np.sqrt((doubt * doubt).sum(axis=1))

    def score(mean: Floats, sd: Floats) -> Floats:
        return intervals.scores(policy, mean, sd)[0]

    middle = 0.5 * (was.logit_mean + would.logit_mean)
    half = 0.5 * np.maximum(np.abs(logits.sum(axis=1)), SHORTEST_STEP)
    rise = sum(
        (score(middle + half, sd) - score(middle - half, sd)) / (4.0 * half)
        for sd in (was.logit_sd, would.logit_sd)
    )
    effects = logits[:, : wording.STYLE] * np.reshape(rise, (n, 1))
    hashed = logits[:, wording.STYLE :].sum(axis=1) * rise
    change = would.trust - was.trust

    def off(by: Floats) -> Floats:
        """What the edited text's score changes by when η is off by so much."""
        mean, sd = (
            np.broadcast_to(column.reshape(n, *(1,) * (by.ndim - 1)), by.shape)
            for column in (would.logit_mean, would.logit_sd)
        )
        return score(mean + by, sd) - score(mean, sd)

    each = doubt[:, : wording.STYLE]
    return Edit(
        parent=was,
        edited=would,
        change=change,
        low=change + off(-whole_doubt),
        high=change + off(whole_doubt),
        effects=effects,
        effects_low=effects + off(-each),
        effects_high=effects + off(each),
        hashed=hashed,
        spread=change - effects.sum(axis=1) - hashed,
    )
