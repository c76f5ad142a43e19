"""What the folded state says: the same as the fold itself would, in parts that add up."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mintmark.scoring import pair_model, pair_predictions, priors, text_features
from mintmark.scoring.pair_model import PairEvents, PairState
from mintmark.scoring.pair_priors import DEFAULT_PAIR_POLICY
from tests.scoring.fleets import arrays, fleet

POLICY = replace(
    DEFAULT_PAIR_POLICY, link_low=1.3, link_high=0.8, link_shift=0.1, interval_scale=1.4
)


def folded(events: PairEvents) -> PairState:
    state = priors.create_initial_state(POLICY, events)
    pair_model.fold(POLICY, state, events)
    return state


def rows(events: PairEvents) -> pair_predictions.PairRows:
    return pair_predictions.PairRows(
        assistant=events.assistant,
        ritual=events.ritual,
        assistant_ritual=events.assistant_ritual,
        prompt=events.prompt,
        pair=events.pair,
        features=events.features[events.prompt],
    )


def nobody(n: int, *, ritual: int = -1) -> pair_predictions.PairRows:
    never = np.full(n, -1)
    return pair_predictions.PairRows(
        assistant=never,
        ritual=np.full(n, ritual),
        assistant_ritual=never,
        prompt=never,
        pair=never,
        features=None,
    )


@pytest.mark.parametrize("texts", [True, False])
def test_predicting_a_pair_is_what_the_fold_would_have_expected(texts: bool) -> None:
    events = fleet(rows=300, texts=texts)
    state = folded(events.select(slice(0, 299)))
    last = events.select(slice(299, 300))
    asked = pair_predictions.predict(POLICY, state, rows(last), now_days=float(last.at_days[0]))
    # The fold counts a prompt's own wording into the mean it is held against; see that mean move.
    state.centre_count[last.ritual] += 1.0
    if texts:
        state.centre_sum[last.ritual] += last.features[last.prompt]
        asked = pair_predictions.predict(POLICY, state, rows(last), now_days=float(last.at_days[0]))
        state.centre_sum[last.ritual] -= last.features[last.prompt]
    state.centre_count[last.ritual] -= 1.0
    told = pair_model.fold(POLICY, state, last)
    assert asked.trust == pytest.approx(told.expected, abs=1e-9)
    assert asked.logit_sd == pytest.approx(told.logit_sd, abs=1e-9)


@given(seed=st.integers(0, 50))
@settings(max_examples=20, deadline=None)
def test_the_parts_of_the_resonance_add_up_and_stay_in_bounds(seed: int) -> None:
    events = fleet(seed=seed, rows=150, spread=2.0)
    found = pair_predictions.predict(POLICY, folded(events), rows(events), now_days=18_500.0)
    assert found.resonance == pytest.approx(
        found.task + found.wording + found.own_record, abs=1e-12
    )
    assert (np.abs(found.resonance) <= 1.0).all()
    assert (found.low < found.trust).all()
    assert (found.trust < found.high).all()
    assert (found.low >= 0.0).all()
    assert (found.high <= 1.0).all()


def test_the_resonance_is_the_lift_over_what_either_alone_predicts() -> None:
    events = fleet(rows=400)
    state = folded(events)
    found = pair_predictions.predict(POLICY, state, rows(events), now_days=18_500.0)
    state.pair.mean[:] = 0.0
    state.assistant_ritual.mean[:] = 0.0
    state.assistant.mean[:, 1:] = 0.0
    alone = pair_predictions.predict(POLICY, state, rows(events), now_days=18_500.0)
    # Without them the spread of λ's lever differs a little; the lift is all the rest.
    assert found.trust - alone.trust == pytest.approx(found.resonance, abs=0.02)
    assert np.corrcoef(found.trust - alone.trust, found.resonance)[0, 1] > 0.99
    assert np.abs(found.resonance).max() > 0.05


def test_asking_changes_nothing_and_age_widens() -> None:
    events = fleet(rows=200)
    state = folded(events)
    before = [array.copy() for array in arrays(state)]
    now, later = (
        pair_predictions.predict(POLICY, state, rows(events), now_days=days)
        for days in (18_500.0, 20_500.0)
    )
    assert all(
        np.array_equal(a, b, equal_nan=True) for a, b in zip(before, arrays(state), strict=True)
    )
    assert (later.logit_sd > now.logit_sd).all()


def test_a_pair_never_seen_is_answered_with_less_certainty() -> None:
    events = fleet(rows=2_000, assistants=3, prompts=10, texts=False)
    state = folded(events)
    known = rows(events.select(slice(0, 50)))
    seen = pair_predictions.predict(POLICY, state, known, now_days=18_500.0)
    unseen = pair_predictions.predict(
        POLICY, state, replace(known, pair=np.full(50, -1)), now_days=18_500.0
    )
    stranger = pair_predictions.predict(POLICY, state, nobody(1), now_days=18_500.0)
    assert (unseen.logit_sd > seen.logit_sd).all()
    assert (unseen.own_record == 0.0).all()
    assert stranger.logit_sd[0] > unseen.logit_sd.max()
    assert stranger.resonance[0] == 0.0


def test_an_empty_state_answers_with_the_prior() -> None:
    empty = PairState.create_initial(
        policy=DEFAULT_PAIR_POLICY, assistants=0, rituals=0, assistant_rituals=0, prompts=0, pairs=0
    )
    found = pair_predictions.predict(DEFAULT_PAIR_POLICY, empty, nobody(2), now_days=0.0)
    assert found.trust == pytest.approx([0.5, 0.5])
    assert (found.high - found.low > 0.8).all()


def test_a_wording_that_helps_one_assistant_shows_as_its_effect() -> None:
    events = fleet(rows=6_000, assistants=2, most_runs=1, spread=0.0)
    polite = events.features[events.prompt, text_features.NAMES.index("polite")] == 1.0
    rng = np.random.default_rng(1)
    chance = np.where(events.assistant == 0, np.where(polite, 0.7, 0.5), np.where(polite, 0.5, 0.5))
    events = replace(events, score=(rng.random(len(events)) < chance).astype(float))
    policy = priors.learn(events)
    state = priors.create_initial_state(policy, events)
    pair_model.fold(policy, state, events)
    effects = [
        pair_predictions.compute_wording_effects(policy, state, assistant=a, now_days=18_500.0)[
            text_features.NAMES.index("polite")
        ]
        for a in (0, 1)
    ]
    assert effects[0].low > 0.0
    assert effects[0].effect > effects[1].effect + 0.03
    assert effects[0].low < effects[0].effect < effects[0].high
    assert effects[1].low < 0.05


def test_an_assistant_never_seen_has_the_fleets_effects_and_none_of_its_own() -> None:
    state = folded(fleet(rows=300))
    effects = pair_predictions.compute_wording_effects(
        POLICY, state, assistant=-1, ritual=0, assistant_ritual=None, now_days=18_500.0
    )
    assert [effect.name for effect in effects] == list(text_features.NAMES)
    assert all(effect.own_share == 0.0 for effect in effects)
    assert any(effect.effect != 0.0 for effect in effects)
