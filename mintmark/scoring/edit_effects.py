"""The effect of an edit of a prompt's wording, predicted from the text alone, for texts that never ran."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mintmark.scoring import intervals, pair_predictions, text_features
from mintmark.scoring.pair_model import Floats, Ints, PairState
from mintmark.scoring.pair_priors import PairPolicy

MIN_STEP = 1e-4
"""The slope of σ is taken over a stretch of η of at least this length: a shorter one is all rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EditEffect:
    """The predictions for two texts for each of n assistants, in points of score (0.04 = four points).

    `parent` and `edited` predict both texts as if new: without the record that either may have. `change` (n,) is edited
    less parent, and is the exact sum of `effects` (n, text_features.STYLE: one for each readable feature, 0 where the
    texts agree), `hashed` (n,: the hashed projections) and `spread` (n,: the effect of being more or less certain of η
    on the expected score). `low` and `high`, of the change and of each effect, are the score at the ends of the 90%
    interval of the slopes that the edit moves along: the effect of wording, without other differences between prompts.
    """

    parent: pair_predictions.Prediction
    edited: pair_predictions.Prediction
    change: Floats
    low: Floats
    high: Floats
    effects: Floats
    effects_low: Floats
    effects_high: Floats
    hashed: Floats
    spread: Floats


def compare_edit(
    policy: PairPolicy,
    state: PairState,
    *,
    assistant: Ints,
    ritual: Ints,
    assistant_ritual: Ints,
    parent: Floats,
    edited: Floats,
    now_days: float,
) -> EditEffect:
    """Compare two texts, each given by its `text_features.extract_features`, for n assistants, without changing the
    state.

    The three index columns (n,) are as in `pair_predictions.PairRows`; −1 is somebody never seen. Where a ritual has no
    mean wording yet, both texts are compared with the parent's.

    With Δ = Σⱼ Δxⱼ·slopeⱼ the effect of feature j is Δxⱼ·slopeⱼ times the mean slope of the expected score between the
    two texts: on a straight way through one index, that is each feature's Aumann-Shapley value (Values of Non-Atomic
    Games, 1974).
    """
    n = assistant.size
    never = np.full(n, -1, dtype=np.int64)
    before = pair_predictions.PairRows(
        assistant=assistant,
        ritual=ritual,
        assistant_ritual=assistant_ritual,
        prompt=never,
        pair=never,
        features=np.broadcast_to(parent, (n, text_features.WIDTH)),
        stand_in=parent,
    )
    after = replace(before, features=np.broadcast_to(edited, (n, text_features.WIDTH)))
    parent_prediction = pair_predictions.predict(policy, state, before, now_days=now_days)
    edited_prediction = pair_predictions.predict(policy, state, after, now_days=now_days)

    slope, variance = pair_predictions.compute_slopes(policy, state, before, now_days=now_days)
    # Not the difference of two centred rows: the centre cancels, and with it its rounding.
    feature_change = (edited - parent) * np.asarray(policy.feature_scale)
    logits = feature_change * slope
    doubt = pair_predictions.Z_90 * np.sqrt(
        policy.interval_scale * feature_change * feature_change * variance
    )
    whole_doubt = np.sqrt((doubt * doubt).sum(axis=1))

    def score(mean: Floats, sd: Floats) -> Floats:
        return intervals.expected_scores(policy, mean, sd)[0]

    middle = 0.5 * (parent_prediction.logit_mean + edited_prediction.logit_mean)
    half_step = 0.5 * np.maximum(np.abs(logits.sum(axis=1)), MIN_STEP)
    rise = sum(
        (score(middle + half_step, sd) - score(middle - half_step, sd)) / (4.0 * half_step)
        for sd in (parent_prediction.logit_sd, edited_prediction.logit_sd)
    )
    effects = logits[:, : text_features.STYLE] * np.reshape(rise, (n, 1))
    hashed = logits[:, text_features.STYLE :].sum(axis=1) * rise
    change = edited_prediction.trust - parent_prediction.trust

    def off(by: Floats) -> Floats:
        """The change of the edited text's score when η is off by this much."""
        mean, sd = (
            np.broadcast_to(column.reshape(n, *(1,) * (by.ndim - 1)), by.shape)
            for column in (edited_prediction.logit_mean, edited_prediction.logit_sd)
        )
        return score(mean + by, sd) - score(mean, sd)

    each = doubt[:, : text_features.STYLE]
    return EditEffect(
        parent=parent_prediction,
        edited=edited_prediction,
        change=change,
        low=change + off(-whole_doubt),
        high=change + off(whole_doubt),
        effects=effects,
        effects_low=effects + off(-each),
        effects_high=effects + off(each),
        hashed=hashed,
        spread=change - effects.sum(axis=1) - hashed,
    )
