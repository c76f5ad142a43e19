"""The fold of the pair model: the arithmetic of one event, and the laws of many."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate

from mintmark.scoring import pair_model, posterior, priors
from mintmark.scoring.jit import get_interpreted
from mintmark.scoring.pair_priors import DEFAULT_PAIR_POLICY, PairPolicy
from tests.scoring.fleets import arrays, fleet

POLICY = replace(
    DEFAULT_PAIR_POLICY, half_life_days=120.0, run_correlation=0.05, link_low=1.2, link_high=0.7
)
PLAIN = replace(DEFAULT_PAIR_POLICY, run_correlation=0.0)


def bits(state: pair_model.PairState) -> list[bytes]:
    return [array.tobytes() for array in arrays(state)]


@given(
    mean=st.floats(-6, 6),
    variance=st.floats(0.01, 4),
    score=st.floats(0, 1),
    weight=st.floats(0.1, 50),
)
@settings(max_examples=60, deadline=None)
def test_the_posterior_is_that_of_the_integral(
    mean: float, variance: float, score: float, weight: float
) -> None:
    def mass(eta: float, power: int = 0) -> float:
        log_p = -math.log1p(math.exp(-eta)) if eta > 0 else eta - math.log1p(math.exp(eta))
        log_likelihood = weight * (log_p - (1.0 - score) * eta)
        return eta**power * math.exp(log_likelihood - (eta - mean) ** 2 / (2 * variance))

    after, left, evidence = posterior.posterior(mean, variance, score, weight)
    ends = after - 12 * math.sqrt(left), after + 12 * math.sqrt(left)
    total, first, second = (
        integrate.quad(mass, *ends, args=(k,), epsabs=0, epsrel=1e-6, limit=200)[0]
        for k in range(3)
    )
    assert after == pytest.approx(first / total, abs=2e-3)
    assert left == pytest.approx(second / total - (first / total) ** 2, rel=2e-2)
    assert evidence == pytest.approx(math.log(total / math.sqrt(2 * math.pi * variance)), abs=1e-3)


@given(st.floats(0, 1e6))
def test_the_factorial_is_that_of_the_gamma_function(value: float) -> None:
    assert posterior.log_factorial(value) == pytest.approx(
        math.lgamma(value + 1), rel=1e-9, abs=1e-9
    )


def test_one_event_shares_its_news_in_proportion_to_variance() -> None:
    events = fleet(rows=1, texts=False)
    state = priors.create_initial_state(DEFAULT_PAIR_POLICY, events)
    effects = pair_model.fold(DEFAULT_PAIR_POLICY, state, events)
    moved = state.ritual.mean[events.ritual[0], 0] / DEFAULT_PAIR_POLICY.ritual
    assert state.fleet.mean[0, 0] / DEFAULT_PAIR_POLICY.fleet == pytest.approx(moved)
    assert state.prompt.mean[events.prompt[0], 0] / DEFAULT_PAIR_POLICY.prompt == pytest.approx(
        moved
    )
    assert effects.expected[0] == pytest.approx(0.5)


def test_the_evidence_of_all_possible_scores_adds_up_to_one() -> None:
    events = fleet(rows=1, texts=False)
    for runs in (1, 2, 7):
        total = 0.0
        for hits in range(runs + 1):
            state = priors.create_initial_state(PLAIN, events)
            event = replace(events, runs=np.array([float(runs)]), score=np.array([hits / runs]))
            total += math.exp(pair_model.fold(PLAIN, state, event).log_evidence[0])
        assert total == pytest.approx(1.0, abs=1e-3)


@given(cut=st.lists(st.integers(0, 200), max_size=5), seed=st.integers(0, 5))
@settings(max_examples=25, deadline=None)
def test_where_the_log_is_cut_changes_no_bit(cut: list[int], seed: int) -> None:
    events = fleet(seed=seed, rows=200)
    whole, sliced = (
        priors.create_initial_state(POLICY, events),
        priors.create_initial_state(POLICY, events),
    )
    at_once = pair_model.fold(POLICY, whole, events)
    bounds = [0, *sorted(cut), 200]
    parts = [
        pair_model.fold(POLICY, sliced, events.select(slice(start, end)))
        for start, end in pairwise(bounds)
    ]
    assert bits(whole) == bits(sliced)
    for name in ("expected", "baseline", "logit_sd", "log_evidence", "after"):
        joined = np.concatenate([getattr(part, name) for part in parts])
        assert joined.tobytes() == getattr(at_once, name).tobytes()


def test_compiled_or_not_the_bits_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    events = fleet(rows=300)
    compiled, interpreted = (
        priors.create_initial_state(POLICY, events),
        priors.create_initial_state(POLICY, events),
    )
    first = pair_model.fold(POLICY, compiled, events)
    called = ("expected_score", "apply_link", "posterior", "log_ways")
    for name in ("logistic", "log_logistic", "posterior_mode", "log_factorial", *called):
        monkeypatch.setattr(posterior, name, get_interpreted(getattr(posterior, name)))
    for name in called:
        monkeypatch.setattr(pair_model, name, getattr(posterior, name))
    for name in ("age_row", "fold_kernel"):
        monkeypatch.setattr(pair_model, name, get_interpreted(getattr(pair_model, name)))
    second = pair_model.fold(POLICY, interpreted, events)
    assert bits(compiled) == bits(interpreted)
    assert first.expected.tobytes() == second.expected.tobytes()
    assert first.log_evidence.tobytes() == second.log_evidence.tobytes()


def test_a_row_that_no_event_names_is_not_touched() -> None:
    events = fleet(rows=30, assistants=5, prompts=40)
    state = priors.create_initial_state(DEFAULT_PAIR_POLICY, events)
    pair_model.fold(DEFAULT_PAIR_POLICY, state, events)
    unnamed = np.setdiff1d(np.arange(40), events.prompt)
    assert np.isnan(state.prompt.touched[unnamed]).all()
    assert (state.prompt.mean[unnamed] == 0.0).all()


def test_variances_stay_between_nothing_and_the_prior() -> None:
    events = fleet(rows=2_000, most_runs=100)
    state = priors.create_initial_state(POLICY, events)
    pair_model.fold(POLICY, state, events)
    prior = POLICY.prior_rows()
    for block, most in zip(
        (state.fleet, state.assistant, state.ritual, state.assistant_ritual), prior, strict=True
    ):
        assert (block.variance > 0.0).all()
        assert (block.variance <= most * (1 + 1e-12)).all()


def test_what_is_not_touched_for_long_is_forgotten() -> None:
    events = fleet(rows=100, texts=False)
    state = priors.create_initial_state(DEFAULT_PAIR_POLICY, events)
    pair_model.fold(DEFAULT_PAIR_POLICY, state, events)
    later = replace(events.select(slice(99, 100)), at_days=np.array([18_500.0 + 40 * 365.0]))
    effects = pair_model.fold(DEFAULT_PAIR_POLICY, state, later)
    assert effects.logit_mean[0] == pytest.approx(0.0, abs=1e-6)
    fresh = pair_model.fold(
        DEFAULT_PAIR_POLICY, priors.create_initial_state(DEFAULT_PAIR_POLICY, events), later
    )
    assert effects.logit_sd[0] == pytest.approx(fresh.logit_sd[0])


def test_a_late_event_moves_less_and_does_not_turn_the_clock_back() -> None:
    events = fleet(rows=100, texts=False)
    moved = []
    for late_days in (0.0, 365.0, 3650.0):
        state = priors.create_initial_state(DEFAULT_PAIR_POLICY, events)
        pair_model.fold(DEFAULT_PAIR_POLICY, state, events)
        before, clock = state.assistant.mean.copy(), float(state.fleet.touched[0])
        event = replace(events.select(slice(0, 1)), at_days=np.array([clock - late_days]))
        pair_model.fold(DEFAULT_PAIR_POLICY, state, event)
        moved.append(float(np.abs(state.assistant.mean - before).max()))
        assert state.fleet.touched[0] == clock
    assert moved[0] > moved[1] > moved[2]
    assert moved[2] < 0.01 * moved[0]


def test_correlated_runs_weigh_less() -> None:
    events = replace(fleet(rows=1, texts=False), runs=np.array([100.0]), score=np.array([1.0]))
    means = []
    for correlation in (0.0, 0.1, 1.0):
        policy = replace(DEFAULT_PAIR_POLICY, run_correlation=correlation)
        state = priors.create_initial_state(policy, events)
        pair_model.fold(policy, state, events)
        means.append(float(state.fleet.mean[0, 0]))
    one = replace(events, runs=np.array([1.0]))
    state = priors.create_initial_state(DEFAULT_PAIR_POLICY, one)
    pair_model.fold(DEFAULT_PAIR_POLICY, state, one)
    assert means[0] > means[1] > means[2] == pytest.approx(float(state.fleet.mean[0, 0]))


def test_a_text_that_is_not_known_moves_no_slope() -> None:
    events = fleet(rows=50)
    unknown = replace(events, features=np.full_like(events.features, np.nan))
    state = priors.create_initial_state(DEFAULT_PAIR_POLICY, unknown)
    pair_model.fold(DEFAULT_PAIR_POLICY, state, unknown)
    assert (state.assistant.mean[:, 1:] == 0.0).all()
    assert (state.centre_count == 0.0).all()


def test_a_million_runs_and_a_far_surprise_keep_every_number_finite() -> None:
    events = fleet(rows=200)
    wild = replace(events, runs=np.full(200, 1e6), score=(np.arange(200) % 2).astype(float))
    policy = replace(
        DEFAULT_PAIR_POLICY, assistant=64.0, prompt=64.0, pair=64.0, run_correlation=0.0
    )
    state = priors.create_initial_state(policy, wild)
    effects = pair_model.fold(policy, state, wild)
    assert all(np.isfinite(array[~np.isnan(array)]).all() for array in arrays(state))
    assert np.isfinite(effects.expected).all()
    assert np.isfinite(effects.log_evidence).all()


def test_a_policy_survives_json_to_the_bit() -> None:
    policy = replace(
        DEFAULT_PAIR_POLICY,
        assistant=0.1 + 0.2,
        feature_scale=(1 / 3,) * len(DEFAULT_PAIR_POLICY.feature_scale),
    )
    assert PairPolicy.from_json(policy.to_json()) == policy


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"assistant": -1.0}, "assistant=-1.0"),
        ({"half_life_days": 0.0}, "half_life_days"),
        ({"pair": math.nan}, "pair=nan"),
        ({"feature_scale": (1.0,)}, "calibrate again"),
    ],
)
def test_a_policy_that_cannot_be_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(DEFAULT_PAIR_POLICY, **change)  # type: ignore[arg-type]


def test_an_unknown_key_in_a_policy_is_named() -> None:
    with pytest.raises(ValueError, match="tau"):
        PairPolicy.from_json('{"tau": 1.0}')
