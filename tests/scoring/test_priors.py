"""Learning priors: it finds what is there, and any log at all gives a sane policy."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

from mintmark.scoring import pair_model, priors
from mintmark.scoring.pair_priors import DEFAULT_PAIR_POLICY
from tests.scoring.fleets import fleet


def test_learning_twice_gives_the_same_policy() -> None:
    events = fleet(rows=300)
    assert priors.learn(events) == priors.learn(events)


def test_a_learned_policy_predicts_its_past_no_worse_than_the_default() -> None:
    events = fleet(rows=1_000, spread=1.5, texts=False)
    assert priors.prequential_loss(priors.learn(events), events) <= priors.prequential_loss(
        DEFAULT_PAIR_POLICY.without_wording(), events
    )


def test_variation_is_attributed_to_what_varies() -> None:
    rng = np.random.default_rng(0)
    events = fleet(rows=6_000, assistants=30, prompts=30, texts=False)

    def scored(eta: pair_model.Floats) -> pair_model.PairEvents:
        chance = 1.0 / (1.0 + np.exp(-eta))
        score = (rng.random(len(events)) < chance).astype(float)
        return replace(events, score=score, runs=np.ones(len(events)))

    by_prompt = priors.learn(scored(rng.normal(0, 1.5, 30)[events.prompt]))
    by_assistant = priors.learn(scored(rng.normal(0, 1.5, 30)[events.assistant]))
    assert by_prompt.prompt > 5 * by_assistant.prompt
    skill = [policy.assistant + policy.assistant_ritual for policy in (by_prompt, by_assistant)]
    assert skill[1] > 5 * skill[0]


def test_a_world_that_drifts_is_forgotten_faster() -> None:
    rng = np.random.default_rng(0)
    events = fleet(rows=6_000, assistants=4, prompts=4, most_runs=1, days=1_500.0, texts=False)

    def learned(eta: pair_model.Floats) -> float:
        score = (rng.random(len(events)) < 1.0 / (1.0 + np.exp(-eta))).astype(float)
        return priors.learn(replace(events, score=score)).half_life_days

    still = rng.normal(0, 1.5, 4)[events.prompt]
    turning = 2.0 * np.sin(events.at_days / 30.0 + 1.5 * events.prompt)
    assert learned(turning) < learned(still)


@pytest.mark.parametrize(
    "change",
    [
        {"score": np.ones(60)},
        {"score": np.zeros(60)},
        {"score": np.full(60, 0.5)},
        {"assistant": np.zeros(60, dtype=np.int64)},
        {"prompt": np.zeros(60, dtype=np.int64)},
        {"pair": np.zeros(60, dtype=np.int64)},
        {"at_days": np.zeros(60)},
        {"runs": np.full(60, 1e6)},
    ],
    ids=lambda change: next(iter(change)),
)
@pytest.mark.parametrize("texts", [True, False])
def test_a_degenerate_log_gives_a_sane_policy_without_a_warning(
    change: dict[str, pair_model.Floats], texts: bool
) -> None:
    events = replace(fleet(rows=60, texts=texts), **change)  # type: ignore[arg-type]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        policy = priors.learn(events)
    state = priors.create_initial_state(policy, events)
    effects = pair_model.fold(policy, state, events)
    assert np.isfinite(effects.expected).all()
    assert ((effects.expected > 0.0) & (effects.expected < 1.0)).all()


def test_an_empty_log_leaves_the_default() -> None:
    assert priors.learn(fleet(rows=5).select(slice(0, 0))) == DEFAULT_PAIR_POLICY


def test_without_texts_nothing_is_assumed_of_wording() -> None:
    policy = priors.learn(fleet(rows=100, texts=False))
    assert policy == policy.without_wording()


def test_only_the_newest_events_are_searched() -> None:
    events = fleet(rows=600, texts=False)
    other = replace(events, score=np.where(np.arange(600) < 300, 1.0 - events.score, events.score))
    assert priors.learn(events, searched_events=300) == priors.learn(other, searched_events=300)


def test_renumbering_changes_no_prediction() -> None:
    events = fleet(rows=200).select(slice(100, 200))
    compacted = priors.compact(events)
    one = pair_model.fold(
        DEFAULT_PAIR_POLICY, priors.create_initial_state(DEFAULT_PAIR_POLICY, events), events
    )
    two = pair_model.fold(
        DEFAULT_PAIR_POLICY, priors.create_initial_state(DEFAULT_PAIR_POLICY, compacted), compacted
    )
    assert one.expected.tobytes() == two.expected.tobytes()
