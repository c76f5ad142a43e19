"""A score is the sum of what is shown, and its interval says how much is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mintmark.scoring import prompt_model, prompt_posterior, prompt_readout
from tests.scoring.reputation_log import PROMPTS, TODAY, Log, random_log


@given(seed=st.integers(0, 10_000), later=st.floats(0.0, 2000.0))
def test_contributions_add_up_to_the_score(seed: int, later: float) -> None:
    log, events = random_log(seed=seed, events=40)
    prompt_model.fold(log.policy, log.state, events)
    for prompt in range(PROMPTS):
        score = log.score(prompt, now=TODAY + 100.0 + later)
        total = sum(term.amount for term in score.contributions)
        assert abs(total - score.trust_score) <= 1e-12
        assert 0.0 < score.low < score.trust_score < score.high < 1.0


def test_clipping_is_a_term_of_its_own() -> None:
    log = Log()
    for assistant in range(4):
        log.measured(0, 1.0, runs=500.0, assistant=assistant, baseline=0.2)
    # The ritual has become easy since, and the prompt's lead over it is of another time.
    for assistant in range(4):
        log.measured(1, 1.0, assistant=assistant, baseline=0.9)
    score = log.score(0)
    assert score.trust_score == prompt_posterior.MAX_SCORE
    last = score.contributions[-1]
    assert last.source == "clipping"
    assert last.amount < 0.0
    assert sum(term.amount for term in score.contributions) == pytest.approx(
        score.trust_score, abs=1e-12
    )


def test_one_prompt_and_many_read_the_same() -> None:
    log, events = random_log(seed=3, events=80)
    prompt_model.fold(log.policy, log.state, events)
    now = TODAY + 200.0
    many = prompt_readout.compute_scores(log.policy, log.state, np.arange(PROMPTS), now_days=now)
    for prompt in range(PROMPTS):
        one = log.score(prompt, now=now)
        assert one.trust_score == many.trust_score[prompt]
        assert one.rank_bound == many.rank_bound[prompt]


def test_the_interval_is_that_of_a_beta_posterior() -> None:
    log = Log(run_correlation=0.0)
    log.measured(0, 0.8, runs=28.0)
    score = log.score(0)
    posterior = stats.beta(score.trust_score * 40.0, (1.0 - score.trust_score) * 40.0)
    assert score.n == pytest.approx(40.0)
    assert score.low == pytest.approx(posterior.ppf(0.05))
    assert score.high == pytest.approx(posterior.ppf(0.95))
    assert score.rank_bound == pytest.approx(posterior.ppf(0.10))


def test_reading_changes_nothing_and_a_fold_reports_what_a_read_would_say() -> None:
    log, events = random_log(seed=11, events=60)
    effects = prompt_model.fold(log.policy, log.state, events)
    last = int(events.prompt[-1])
    at = max(float(events.at_days[-1]), float(log.state.prompts.at[last]))
    assert log.score(last, now=at).trust_score == effects.trust_after[-1]
    assert log.score(last, now=at).trust_score == effects.trust_after[-1]


def test_effectiveness_speaks_of_outcomes_alone_and_approval_of_approvals_alone() -> None:
    log = Log()
    log.measured(0, 0.9, runs=30.0)
    log.opinion(0, 0.0, rater=1)
    score = log.score(0)
    assert score.ritual_effectiveness.mean > score.trust_score
    assert score.assistant_approval.weight == 0.0
    assert score.assistant_approval.mean == pytest.approx(0.5)


def test_old_evidence_widens_the_interval_again() -> None:
    log = Log()
    log.measured(0, 0.9, runs=50.0)
    now, later = log.score(0), log.score(0, now=TODAY + 2000.0)
    assert later.high - later.low > now.high - now.low
    assert later.trust_score == pytest.approx(0.5, abs=0.01)
