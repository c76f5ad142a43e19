"""What an edit of the wording would change: a sum of its features, the same as predicting either text."""

from dataclasses import replace

import numpy as np
import pytest

from mintmark.scoring import edit_effects, pair_model, pair_predictions, priors, text_features
from mintmark.scoring.pair_model import PairState
from mintmark.scoring.pair_priors import DEFAULT_PAIR_POLICY, PairPolicy
from tests.scoring.fleets import arrays, fleet

POLICY = replace(
    DEFAULT_PAIR_POLICY, link_low=1.3, link_high=0.8, link_shift=0.1, interval_scale=1.4
)
PARENT = text_features.extract_features("Please judge {claim}.")
EDITED = text_features.extract_features("Q: judge {claim} step by step, why?\nA:")
NOW = 18_600.0
RITUAL, NOBODY = 1, -1


def folded(policy: PairPolicy = POLICY) -> PairState:
    events = fleet(rows=400, assistants=5, rituals=3)
    state = priors.create_initial_state(policy, events)
    pair_model.fold(policy, state, events)
    return state


def compared(
    *, parent: pair_model.Floats = PARENT, edited: pair_model.Floats = EDITED, ritual: int = RITUAL
) -> edit_effects.EditEffect:
    """The edit for five known assistants and one that nobody ever saw."""
    who = np.array([0, 1, 2, 3, 4, NOBODY])
    known = (who >= 0) & (ritual >= 0)
    return edit_effects.compare_edit(
        POLICY,
        folded(),
        assistant=who,
        ritual=np.full(6, ritual),
        assistant_ritual=np.where(known, who * 3 + ritual, NOBODY),
        parent=parent,
        edited=edited,
        now_days=NOW,
    )


@pytest.mark.parametrize("ritual", [RITUAL, NOBODY])
def test_the_features_add_up_to_the_change(ritual: int) -> None:
    edit = compared(ritual=ritual)
    parts = edit.effects.sum(axis=1) + edit.hashed + edit.spread
    np.testing.assert_allclose(parts, edit.change, rtol=0, atol=1e-14)
    np.testing.assert_array_equal(edit.change, edit.edited.trust - edit.parent.trust)
    assert (np.abs(edit.change) > 0.0).all()


def test_a_text_compared_with_itself_changes_nothing_for_sure() -> None:
    edit = compared(edited=PARENT)
    for column in (edit.change, edit.low, edit.high, edit.effects, edit.hashed, edit.spread):
        np.testing.assert_array_equal(column, 0.0)


def test_a_feature_that_both_texts_share_has_no_effect() -> None:
    edit = compared()
    same = PARENT[: text_features.STYLE] == EDITED[: text_features.STYLE]
    assert same.any()
    assert (edit.effects[:, same] == 0.0).all()
    assert (edit.effects_high[:, same] == edit.effects_low[:, same]).all()


def test_the_intervals_hold_what_they_are_of() -> None:
    edit = compared()
    assert ((edit.low < edit.change) & (edit.change < edit.high)).all()
    assert ((edit.effects_low <= edit.effects) & (edit.effects <= edit.effects_high)).all()


def test_features_whose_effects_cancel_still_have_them() -> None:
    state = folded()
    state.fleet.mean[:, 1:] = 0.0
    state.assistant.mean[:, 1:] = 0.0
    state.ritual.mean[:, 1:] = 0.0
    state.assistant_ritual.mean[:, 1:] = 0.0
    state.fleet.mean[0, 1:3] = 0.5, -0.5
    edited = PARENT.copy()
    edited[:2] += 1.0
    one = np.zeros(1, dtype=np.int64)
    edit = edit_effects.compare_edit(
        POLICY,
        state,
        assistant=one,
        ritual=one,
        assistant_ritual=one,
        parent=PARENT,
        edited=edited,
        now_days=float(state.fleet.touched[0]),
    )
    assert edit.effects[0, 0] == pytest.approx(-edit.effects[0, 1])
    assert edit.effects[0, 0] > 0.05


def test_where_the_task_is_known_either_text_is_predicted_as_everywhere_else() -> None:
    state = folded()
    who = np.arange(5)
    never = np.full(5, NOBODY)
    rows = pair_predictions.PairRows(
        assistant=who,
        ritual=np.full(5, RITUAL),
        assistant_ritual=who * 3 + RITUAL,
        prompt=never,
        pair=never,
        features=np.tile(EDITED, (5, 1)),
    )
    told = pair_predictions.predict(POLICY, state, rows, now_days=NOW)
    edit = compared()
    np.testing.assert_array_equal(edit.edited.trust[:5], told.trust)
    np.testing.assert_array_equal(edit.edited.high[:5], told.high)


def test_without_a_task_the_edit_counts_and_the_interval_is_wider() -> None:
    known, unknown = compared(), compared(ritual=NOBODY)
    assert (np.abs(unknown.change) > 0.0).all()
    assert (unknown.edited.logit_sd > known.edited.logit_sd).all()
    assert (unknown.high - unknown.low > 0.0).all()


def test_comparing_changes_no_state() -> None:
    state = folded()
    before = [part.copy() for part in arrays(state)]
    one = np.zeros(1, dtype=np.int64)
    edit_effects.compare_edit(
        POLICY,
        state,
        assistant=one,
        ritual=one,
        assistant_ritual=one,
        parent=PARENT,
        edited=EDITED,
        now_days=NOW,
    )
    for was, part in zip(before, arrays(state), strict=True):
        np.testing.assert_array_equal(was, part)


def test_for_nobody_the_answer_is_empty() -> None:
    none = np.zeros(0, dtype=np.int64)
    edit = edit_effects.compare_edit(
        POLICY,
        folded(),
        assistant=none,
        ritual=none,
        assistant_ritual=none,
        parent=PARENT,
        edited=EDITED,
        now_days=NOW,
    )
    assert edit.change.shape == (0,)
    assert edit.effects.shape == (0, text_features.STYLE)
