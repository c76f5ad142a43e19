"""Which case runs next: where it decides most, never a case left out, and nothing counted more than twice."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mintmark.experiments import allocation, sequential_test
from mintmark.experiments.decision import Decision
from tests.experiments.comparisons import Prompts, Watched, drawn_by_weight, watch


@settings(max_examples=50)
@given(seed=st.integers(0, 10_000), cases=st.integers(1, 12))
def test_chances_add_up_and_no_case_has_less_than_half_its_weight(seed: int, cases: int) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.ones(cases))
    chance = allocation.compute_probabilities(
        weights=weights,
        variance=rng.uniform(1e-9, 1.0, (1, cases)),
        pairs=rng.integers(0, 4, (1, cases)).astype(float),
    )
    np.testing.assert_allclose(chance.sum(), 1.0)
    assert (chance >= 0.5 * weights - 1e-15).all()
    draws = allocation.sample_cases(weights=weights, chance=chance, draws=20, rng=rng)
    assert (draws.weight <= draws.max_weight).all() and (draws.max_weight <= 2.0 + 1e-9).all()
    np.testing.assert_allclose(
        draws.weight * np.take_along_axis(chance, draws.case, 1), weights[draws.case]
    )


def test_before_every_case_could_have_run_once_the_ritual_alone_decides() -> None:
    chance = allocation.compute_probabilities(
        weights=np.array([0.7, 0.3]),
        variance=np.array([[0.0001, 1.0]]),
        pairs=np.array([[1.0, 0.0]]),
    )
    np.testing.assert_array_equal(chance, [[0.7, 0.3]])


def test_cases_are_drawn_as_often_as_their_chance_says() -> None:
    chance = np.array([[0.5, 0.2, 0.3]])
    draws = allocation.sample_cases(
        weights=chance[0], chance=chance, draws=20_000, rng=np.random.default_rng(1)
    )
    shares = np.bincount(draws.case[0], minlength=3) / 20_000
    np.testing.assert_allclose(shares, chance[0], atol=0.01)


def test_runs_go_where_differences_vary() -> None:
    prompts = Prompts(
        np.array([0.5, 0.5, 1.0, 1.0, 0.0, 0.0]), np.array([0.5, 0.4, 1.0, 1.0, 0.0, 0.0])
    )
    rng = np.random.default_rng(2)
    state = sequential_test.start(weights=np.ones(6), points=np.array([0.0]))
    for _ in range(60):
        draws = sequential_test.draw(state, pairs=5, rng=rng)
        state = sequential_test.update(state, draws=draws, differences=prompts.run(draws.case, rng))
    ran = state.cases.pairs[0]
    assert ran[:2].mean() > 1.5 * ran[2:].mean()
    assert ran.min() >= 10


def test_where_few_cases_tell_the_prompts_apart_it_takes_far_fewer_runs() -> None:
    tells = np.arange(20) < 2
    prompts = Prompts(np.where(tells, 0.65, 1.0), np.where(tells, 0.35, 1.0))

    def run() -> Watched:
        rng = np.random.default_rng(3)
        return watch(prompts, comparisons=200, most=2_000, passes=1, at_once=4, rng=rng)

    steered = run()
    with drawn_by_weight():
        uniform = run()
    assert steered.share(Decision.FIRST) == 1.0
    assert steered.pairs.mean() < 0.75 * np.minimum(uniform.pairs, 2_000).mean()
