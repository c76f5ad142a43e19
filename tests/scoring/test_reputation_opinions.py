"""Opinion moves prompt trust within its bound: once a rater, once a cohort, and held to measurement."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintmark.common.evidence_kinds import EvidenceKind
from tests.scoring.reputation_log import ASSISTANTS, TODAY, Log, bits

shares = st.floats(0.0, 1.0)


def test_a_new_rating_takes_the_place_of_the_old_one() -> None:
    revised, single = Log(), Log()
    revised.opinion(0, 0.2)
    revised.opinion(0, 1.0)
    single.opinion(0, 1.0)
    assert revised.score(0).trust_score == pytest.approx(single.score(0).trust_score)
    assert revised.score(0).ratings == 1.0
    assert revised.score(0).ratings_raw_mean == 1.0


def test_an_older_rating_that_arrives_late_does_not_take_the_place_of_a_newer_one() -> None:
    log = Log()
    log.opinion(0, 1.0, at=TODAY)
    log.fold()
    before = bits(log.state)
    log.opinion(0, 0.0, at=TODAY - 10.0)
    assert log.fold().weight[0] == 0.0
    assert bits(log.state) == before


def test_a_rating_withdrawn_after_a_time_leaves_nothing_behind() -> None:
    log = Log()
    log.opinion(0, 0.2, rater=1, at=TODAY)
    log.opinion(0, 0.9, rater=2, cohort=1, at=TODAY + 50.0)
    log.opinion(0, 1.0, rater=1, at=TODAY + 200.0)
    log.fold()
    alone = Log()
    alone.opinion(0, 0.9, rater=2, cohort=1, at=TODAY + 50.0)
    alone.opinion(0, 1.0, rater=1, at=TODAY + 200.0)
    alone.fold()
    for mine, theirs in zip(log.state.prompts, alone.state.prompts, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-12)


def test_a_rater_who_thinks_again_keeps_the_weight_it_had_in_its_cohort() -> None:
    log = Log()
    for rater in (1, 2):
        log.trusted(rater)
        log.opinion(0, 0.8, rater=rater, cohort=0)
    log.fold()
    before = log.state.prompts.weight[0, 3]
    log.opinion(0, 0.4, rater=2, cohort=0)
    log.fold()
    assert log.state.prompts.weight[0, 3] == pytest.approx(before)


def test_approvals_of_one_assistant_add_up() -> None:
    log = Log()
    log.opinion(0, 1.0, kind=EvidenceKind.APPROVAL)
    once = log.score(0).assistant_approval
    log.opinion(0, 1.0, kind=EvidenceKind.APPROVAL)
    twice = log.score(0).assistant_approval
    assert twice.weight == pytest.approx(2 * once.weight)
    assert twice.mean > once.mean


def test_a_cohort_counts_once_and_then_logarithmically() -> None:
    log = Log()
    for rater in range(100):
        log.trusted(rater)
        log.opinion(0, 1.0, rater=rater, cohort=0)
    log.fold()
    assert log.state.prompts.weight[0, 3] == pytest.approx(1.0 + math.log(100.0))


def test_agreement_on_other_prompts_earns_weight_and_on_the_same_prompt_none() -> None:
    log = Log()
    for prompt in (0, 1):
        log.measured(prompt, 0.5, runs=100.0)
    log.fold()
    newcomer = 0.05
    for _ in range(20):
        log.opinion(0, 0.5, rater=3)
    again = log.fold()
    assert again.weight[-1] == pytest.approx(newcomer)
    log.opinion(1, 0.5, rater=3, cohort=1)
    assert log.fold().weight[0] > newcomer


def test_a_lenient_rater_is_corrected_by_its_record_elsewhere() -> None:
    log = Log()
    for prompt in range(4):
        log.measured(prompt, 0.4, baseline=0.4, runs=100.0)
    for prompt in range(3):
        log.opinion(prompt, 0.9, rater=3)
    log.fold()
    log.opinion(3, 0.9, rater=3)
    assert log.score(3).ratings_weighted_mean < 0.85  # type: ignore[operator]
    assert log.score(3).ratings_raw_mean == 0.9


@given(
    votes=st.lists(shares, min_size=1, max_size=60),
    runs=st.integers(0, 40),
    quality=shares,
    share=st.floats(0.01, 0.5),
    tolerance=st.sampled_from([0.3, 0.6, 2.0, 1e6]),
)
def test_no_number_of_raters_moves_a_score_further_than_the_bound(
    votes: list[float], runs: int, quality: float, share: float, tolerance: float
) -> None:
    log = Log(opinion_share=share, opinion_tolerance=tolerance)
    for run in range(runs):
        log.measured(0, quality, assistant=run % ASSISTANTS)
    without = log.score(0).trust_score
    for rater, vote in enumerate(votes):
        log.trusted(rater)
        log.opinion(0, vote, rater=rater, cohort=None)
    assert abs(log.score(0).trust_score - without) <= share / (1.0 + share) + 1e-12


@given(
    votes=st.lists(shares, min_size=1, max_size=20),
    raised=st.integers(0, 19),
    by=shares,
    runs=st.integers(0, 30),
    quality=shares,
)
def test_raising_a_rating_never_lowers_a_score(
    votes: list[float], raised: int, by: float, runs: int, quality: float
) -> None:
    def trust(scores_given: list[float]) -> float:
        log = Log()
        if runs:
            log.measured(0, quality, runs=float(runs))
        for rater, vote in enumerate(scores_given):
            log.trusted(rater)
            log.opinion(0, vote, rater=rater, cohort=None)
        return log.score(0).trust_score

    higher = list(votes)
    higher[raised % len(votes)] = min(1.0, higher[raised % len(votes)] + by)
    assert trust(higher) >= trust(votes) - 1e-12


def test_the_more_was_measured_the_less_a_crowd_can_do() -> None:
    moved = []
    for runs in (0, 10, 100, 1000):
        log = Log(run_correlation=0.0)
        if runs:
            log.measured(0, 0.5, runs=float(runs))
        without = log.score(0).trust_score
        for rater in range(300):
            log.trusted(rater)
            log.opinion(0, 1.0, rater=rater, cohort=None)
        moved.append(log.score(0).trust_score - without)
    assert moved == sorted(moved, reverse=True)
    assert moved[-1] < 0.02
