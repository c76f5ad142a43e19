"""κ and the correlation of runs are learned from the log, as far as it can tell."""

from __future__ import annotations

import numpy as np
import pytest

from mintmark.scoring import prior_strength, prompt_posterior
from mintmark.scoring.prompt_state import ReputationState
from mintmark.scoring.reputation_constants import ReputationPolicy


def learned(
    *,
    tau: float,
    chi: float,
    prompts: int = 300,
    assistants: int = 8,
    runs: int = 20,
    seed: int = 1,
    rituals: int = 1,
) -> ReputationPolicy:
    """The policy learned from prompts that differ by tau, and by chi between assistants."""
    rng = np.random.default_rng(seed)
    policy = ReputationPolicy()
    state = ReputationState.create_initial(
        policy=policy, prompts=prompts, rituals=rituals, pairs=prompts * assistants
    )
    pair_prompt = np.repeat(np.arange(prompts), assistants)
    state.prompts.home[:] = np.arange(prompts) % rituals
    state.rituals.baselines[:] = 0.5
    state.rituals.assistants[:] = 1.0
    quality = 0.5 + rng.normal(0.0, tau, prompts)[pair_prompt]
    quality = np.clip(quality + rng.normal(0.0, chi, len(pair_prompt)), 0.0, 1.0)
    state.pairs.runs[:, 0] = runs
    state.pairs.residual[:, 0] = rng.binomial(runs, quality) - 0.5 * runs
    keys = [f"ritual {g}" for g in range(rituals)]
    return prior_strength.learn(policy, state, pair_prompt=pair_prompt, ritual_keys=keys)


def test_kappa_is_what_a_run_varies_over_what_prompts_differ() -> None:
    policy = learned(tau=0.12, chi=0.1)
    assert policy.kappa["ritual 0"] == pytest.approx((0.25 - 0.0144) / 0.0144, rel=0.15)


def test_the_correlation_of_runs_is_the_assistants_share_of_the_variance() -> None:
    policy = learned(tau=0.12, chi=0.15)
    assert policy.run_correlation == pytest.approx(0.0225 / (0.25 - 0.0144), rel=0.15)


@pytest.mark.parametrize(
    ("tau", "bound"), [(0.0, prior_strength.MAX_KAPPA), (0.4, prior_strength.MIN_KAPPA)]
)
def test_kappa_stays_within_its_bounds(tau: float, bound: float) -> None:
    policy = learned(tau=tau, chi=0.0)
    assert policy.kappa["ritual 0"] == bound
    assert policy.run_correlation == prior_strength.MIN_CORRELATION


def test_single_runs_tell_nothing_and_change_nothing() -> None:
    policy = learned(tau=0.1, chi=0.1, assistants=1, runs=1)
    assert policy.kappa["ritual 0"] == pytest.approx(12.0, rel=0.3)
    assert policy.run_correlation == pytest.approx(ReputationPolicy().run_correlation)


def test_an_empty_log_leaves_the_policy_as_it_is() -> None:
    policy = ReputationPolicy()
    state = ReputationState.create_initial(policy=policy, prompts=3, rituals=2, pairs=4)
    got = prior_strength.learn(
        policy, state, pair_prompt=np.zeros(4, dtype=np.int64), ritual_keys=("a", "b")
    )
    assert got is policy


def test_a_ritual_with_few_prompts_leans_on_the_others() -> None:
    policy = learned(tau=0.12, chi=0.05, prompts=40, rituals=20, seed=3)
    weights = np.array(list(policy.kappa.values()))
    # Two prompts that happen to be far apart or alike would give 6 or 40, one ritual in two.
    assert np.count_nonzero((weights > 8.0) & (weights < 35.0)) >= 15


def test_learning_does_not_change_the_state() -> None:
    policy = ReputationPolicy()
    state = ReputationState.create_initial(policy=policy, prompts=2, rituals=1, pairs=2)
    state.prompts.home[:] = 0
    state.pairs.runs[:, 0] = 5.0
    state.pairs.residual[:, 0] = [1.0, -1.0]
    before = [column.copy() for group in (state.pairs, state.prompts) for column in group]
    prior_strength.learn(policy, state, pair_prompt=np.arange(2), ritual_keys=("a",))
    after = [column for group in (state.pairs, state.prompts) for column in group]
    for was, now in zip(before, after, strict=True):
        np.testing.assert_array_equal(was, now)
    assert prompt_posterior.home_mean(state.fleet, state.rituals, 0) == 0.5
