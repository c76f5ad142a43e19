"""What a comparison says: who is better, or that it makes no odds, and how long until it can."""

from __future__ import annotations

import numpy as np
import pytest

from mintmark.experiments import decision, sequential_test
from mintmark.experiments.decision import Decision, InvalidComparison
from mintmark.experiments.sequential_test import ComparisonState
from tests.experiments.comparisons import FEW_POINTS, Prompts


def compared(
    prompts: Prompts, *, pairs: int, seed: int = 0, state: ComparisonState | None = None
) -> ComparisonState:
    rng = np.random.default_rng(seed)
    if state is None:
        state = sequential_test.start(weights=np.ones(prompts.first.size))
    draws = sequential_test.draw(state, pairs=pairs, rng=rng)
    return sequential_test.update(state, draws=draws, differences=prompts.run(draws.case, rng))


BETTER = Prompts(np.array([0.9, 0.8, 0.9, 0.7]), np.array([0.5, 0.4, 0.5, 0.3]))


def test_before_the_first_pair_nothing_is_said() -> None:
    told = decision.evaluate(sequential_test.start(weights=np.ones(4)))
    assert told == decision.ComparisonResult(
        decision=Decision.OPEN,
        consistent=True,
        pairs=0,
        mean=0.0,
        low=-1.0,
        high=1.0,
        evidence=1.0,
        p_value=1.0,
        until_better=None,
        until_equal=None,
    )
    assert told.until_decided is None


def test_the_better_prompt_is_named_with_its_lead() -> None:
    told = decision.evaluate(compared(BETTER, pairs=150))
    assert told.decision is Decision.FIRST
    assert 0.0 < told.low < 0.4 < told.high < 1.0
    assert told.p_value <= 0.05 and told.evidence >= 20.0
    assert (told.until_better, told.until_decided) == (0, 0)
    swapped = decision.evaluate(compared(Prompts(BETTER.second, BETTER.first), pairs=150))
    assert swapped.decision is Decision.SECOND
    assert -1.0 < swapped.low < -0.4 < swapped.high < 0.0


def test_an_interval_only_ever_narrows_and_a_decision_stands() -> None:
    state, low, high, decided = None, -1.0, 1.0, False
    for step in range(40):
        state = compared(BETTER, pairs=5, seed=step, state=state)
        told = decision.evaluate(state)
        assert low <= told.low <= told.high <= high
        low, high = told.low, told.high
        assert not decided or told.decision is Decision.FIRST
        decided = told.decision is Decision.FIRST
    assert decided


def test_prompts_that_do_the_same_are_called_equal() -> None:
    same = Prompts(np.array([1.0, 1.0, 0.0, 1.0, 1.0]), np.array([1.0, 1.0, 0.0, 1.0, 1.0]))
    state = compared(same, pairs=100)
    early = decision.evaluate(state)
    assert early.decision is Decision.OPEN
    assert early.until_better is None and early.until_equal is not None
    later = decision.evaluate(compared(same, pairs=400, state=state))
    assert later.decision is Decision.EQUAL
    assert -0.03 <= later.low <= 0.0 <= later.high <= 0.03
    assert later.until_equal == 0


def test_a_stricter_error_rate_or_margin_decides_later() -> None:
    state = compared(BETTER, pairs=40)
    strict, lax = (decision.evaluate(state, alpha=alpha) for alpha in (0.0001, 0.2))
    assert strict.low <= lax.low and strict.high >= lax.high
    assert strict.until_better is not None and lax.until_better is not None
    assert strict.until_better > lax.until_better
    wide, narrow = (decision.evaluate(state, margin=margin) for margin in (0.2, 0.01))
    assert (wide.until_equal or 10**9) <= (narrow.until_equal or 10**9)


def test_the_forecast_is_of_the_right_size() -> None:
    rng, ahead, came = np.random.default_rng(9), [], []
    for _ in range(20):
        state = sequential_test.start(weights=np.ones(4), points=FEW_POINTS)
        state = _more(BETTER, state, pairs=20, rng=rng)
        told = decision.evaluate(state)
        if told.until_better:
            more = 0
            while decision.evaluate(state).decision is Decision.OPEN:
                state, more = _more(BETTER, state, pairs=2, rng=rng), more + 2
            ahead.append(20 + told.until_better)
            came.append(20 + more)
    assert len(came) >= 10
    assert 0.5 <= float(np.median(ahead)) / float(np.median(came)) <= 2.0


def _more(
    prompts: Prompts, state: ComparisonState, *, pairs: int, rng: np.random.Generator
) -> ComparisonState:
    draws = sequential_test.draw(state, pairs=pairs, rng=rng)
    return sequential_test.update(state, draws=draws, differences=prompts.run(draws.case, rng))


def test_an_assistant_that_turns_round_leaves_no_verdict() -> None:
    state = compared(BETTER, pairs=120)
    state = compared(Prompts(BETTER.second, BETTER.first), pairs=1_500, state=state)
    told = decision.evaluate(state)
    assert (told.decision, told.consistent) == (Decision.OPEN, False)


@pytest.mark.parametrize("alpha", [0.0, 1.0, float("nan")])
def test_an_error_rate_that_is_none_is_refused(alpha: float) -> None:
    with pytest.raises(InvalidComparison, match="between 0 and 1"):
        decision.evaluate(sequential_test.start(weights=[1.0]), alpha=alpha)


@pytest.mark.parametrize("margin", [0.0, -0.03, 0.005, 2.0, float("nan")])
def test_a_margin_that_is_no_whole_point_is_refused(margin: float) -> None:
    with pytest.raises(InvalidComparison, match="whole number of points"):
        decision.evaluate(sequential_test.start(weights=[1.0]), margin=margin)
