"""Prompt trust is a fold: event by event, the same bits however the log is cut."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mintmark.common.evidence_kinds import EvidenceKind
from mintmark.scoring import jit, prompt_model, prompt_posterior, prompt_readout
from tests.scoring.reputation_log import ASSISTANTS, PROMPTS, TODAY, Log, bits, part, random_log

shares = st.floats(0.0, 1.0)


@given(seed=st.integers(0, 1000), cuts=st.lists(st.integers(0, 60), max_size=6))
def test_a_log_cut_anywhere_folds_to_the_same_bits(seed: int, cuts: list[int]) -> None:
    whole, events = random_log(seed=seed, events=60)
    sliced, _ = random_log(seed=seed, events=60)
    at_once = prompt_model.fold(whole.policy, whole.state, events)
    edges = [0, *sorted(cuts), 60]
    pieces = [
        prompt_model.fold(sliced.policy, sliced.state, part(events, slice(a, b)))
        for a, b in itertools.pairwise(edges)
    ]
    assert bits(sliced.state) == bits(whole.state)
    for field in dataclasses.fields(at_once):
        together = np.concatenate([getattr(piece, field.name) for piece in pieces])
        assert together.tobytes() == getattr(at_once, field.name).tobytes()


def digest_of_a_random_fold() -> str:
    log, events = random_log(seed=7, events=300)
    effects = prompt_model.fold(log.policy, log.state, events)
    read = prompt_readout.compute_scores(
        log.policy, log.state, np.arange(PROMPTS), now_days=TODAY + 900.0
    )
    columns = [getattr(effects, f.name) for f in dataclasses.fields(effects)]
    columns += [getattr(read, f.name) for f in dataclasses.fields(read)]
    return hashlib.sha256(bits(log.state) + b"".join(c.tobytes() for c in columns)).hexdigest()


@pytest.mark.skipif(not jit.IS_COMPILED, reason="numba is not installed: nothing is compiled here")
def test_compiled_and_interpreted_folds_give_the_same_bits() -> None:
    program = "from tests.scoring.test_reputation import digest_of_a_random_fold as d; print(d())"
    interpreted = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert interpreted.stdout.strip() == digest_of_a_random_fold()


def test_one_outcome_moves_trust_as_the_formula_says() -> None:
    log = Log(run_correlation=0.05)
    log.measured(0, 0.9, runs=10.0, baseline=0.6)
    effects = log.fold()
    weight = 10.0 / (1.0 + 9.0 * 0.05)
    assert effects.weight[0] == pytest.approx(weight)
    assert effects.trust_before[0] == 0.5  # nothing was known of the ritual either
    assert effects.trust_after[0] == pytest.approx(0.6 + weight * 0.3 / (12.0 + weight))
    assert effects.n_after[0] == pytest.approx(12.0 + weight)
    assert effects.offset[0] == 0.6


def test_an_outcome_counts_against_what_an_average_prompt_would_have_scored_there() -> None:
    log = Log()
    log.measured(0, 0.3, baseline=0.1, assistant=0)
    log.measured(1, 0.3, baseline=0.5, assistant=1)
    assert log.score(0).trust_score > log.score(1).trust_score


def test_the_home_mean_counts_every_assistant_once_however_often_it_ran() -> None:
    log = Log()
    for _ in range(50):
        log.measured(0, 0.8, assistant=0, baseline=0.8)
    log.measured(0, 0.2, assistant=1, baseline=0.2)
    assert log.score(0).contributions[0].amount == pytest.approx(0.5)


def test_a_ritual_without_evidence_takes_the_mean_over_rituals() -> None:
    log = Log()
    log.measured(0, 0.8, ritual=0, baseline=0.8)
    log.measured(1, 0.4, ritual=1, baseline=0.4)
    log.fold()
    log.state.prompts.home[2] = 2
    assert log.score(2).trust_score == pytest.approx(0.6)


def test_without_any_evidence_a_score_is_wide_and_no_number_is_missing() -> None:
    score = Log().score(0)
    assert score.trust_score == 0.5
    assert score.low < 0.28
    assert score.high > 0.72
    assert score.ratings_raw_mean is None
    assert score.ratings_weighted_mean is None
    numbers = [score.ritual_effectiveness.mean, score.assistant_approval.mean, score.rank_bound]
    assert all(math.isfinite(number) for number in numbers)


@given(days=st.lists(st.floats(0.0, 400.0), min_size=1, max_size=8), score=shares)
def test_ageing_step_by_step_equals_ageing_at_once(days: list[float], score: float) -> None:
    lazy, eager = Log(), Log()
    for log in (lazy, eager):
        log.measured(0, score, runs=20.0)
        log.opinion(0, 1.0 - score)
        log.fold()
    now = TODAY
    for step in days:
        now += step
        prompt_model.start_prompt(eager.policy.constants(), eager.state.prompts, 0, now)
    assert eager.score(0, now=now).trust_score == pytest.approx(
        lazy.score(0, now=now).trust_score, abs=1e-12
    )


def test_measured_evidence_halves_in_180_days_and_opinion_in_120() -> None:
    log = Log()
    log.measured(0, 1.0, runs=1.0)
    log.opinion(0, 1.0)
    sums = np.zeros((3, 6))
    log.fold()
    fresh = log.state.prompts.weight[0].copy()
    prompt_posterior.compute_sums(log.policy.constants(), log.state.prompts, 0, TODAY + 180.0, sums)
    assert sums[0, 0] == pytest.approx(fresh[0] / 2)
    prompt_posterior.compute_sums(log.policy.constants(), log.state.prompts, 0, TODAY + 120.0, sums)
    assert sums[0, 3] == pytest.approx(fresh[3] / 2)


def test_a_late_event_weighs_what_it_would_have_weighed_had_it_come_in_time() -> None:
    late, timely = Log(), Log()
    late.measured(0, 1.0, assistant=0, at=TODAY)
    late.measured(0, 0.0, assistant=1, at=TODAY - 90.0)
    timely.measured(0, 0.0, assistant=1, at=TODAY - 90.0)
    timely.measured(0, 1.0, assistant=0, at=TODAY)
    assert late.score(0).trust_score == pytest.approx(timely.score(0).trust_score, abs=1e-12)


@given(order=st.permutations(range(8)))
def test_the_order_of_outcomes_of_one_day_matters_to_rounding_only(order: list[int]) -> None:
    sorted_log, shuffled = Log(), Log()
    outcomes = [(i % ASSISTANTS, (i * 37 % 11) / 10.0, 1.0 + i) for i in range(8)]
    for log, said in ((sorted_log, range(8)), (shuffled, order)):
        for i in said:
            assistant, score, runs = outcomes[i]
            log.measured(0, score, assistant=assistant, runs=runs)
    assert shuffled.score(0).trust_score == pytest.approx(
        sorted_log.score(0).trust_score, abs=1e-12
    )


def test_one_assistant_cannot_report_its_way_past_its_share() -> None:
    log = Log(run_correlation=0.05)
    for _ in range(100):
        log.measured(0, 1.0, runs=1000.0, assistant=0)
    log.fold()
    assert log.state.prompts.weight[0, 0] < 1.0 / 0.05
    before = log.state.prompts.weight[0, 0]
    log.measured(0, 1.0, runs=1.0, assistant=1)
    log.fold()
    assert log.state.prompts.weight[0, 0] == pytest.approx(before + 1.0)


def test_an_assistants_old_runs_make_room_for_its_new_ones() -> None:
    log = Log(run_correlation=0.1)
    log.measured(0, 1.0, runs=8.0, at=TODAY - 180.0)
    log.measured(0, 0.0, runs=5.0, at=TODAY)
    log.fold()
    runs = 8.0 / 2.0 + 5.0
    weight = runs / (1.0 + (runs - 1.0) * 0.1)
    assert log.state.prompts.weight[0, 0] == pytest.approx(weight)
    mean = (4.0 * 0.5 - 5.0 * 0.5) / runs
    assert log.state.prompts.residual[0, 0] == pytest.approx(weight * mean)


@pytest.mark.parametrize(
    "kind", [EvidenceKind.OUTCOME, EvidenceKind.REPLAY, EvidenceKind.APPROVAL, EvidenceKind.RATING]
)
def test_an_inadmissible_event_moves_nothing(kind: EvidenceKind) -> None:
    log = Log()
    log.measured(0, 0.7)
    log.fold()
    before = bits(log.state)
    if kind <= EvidenceKind.REPLAY:
        log.measured(0, 0.0, kind=kind, admissible=False)
    else:
        log.opinion(0, 0.0, kind=kind, admissible=False)
    effects = log.fold()
    assert bits(log.state) == before
    assert effects.weight[0] == 0.0
    assert effects.trust_before[0] == effects.trust_after[0]


@pytest.mark.parametrize("kind", [EvidenceKind.RECALL, EvidenceKind.CLAUSE])
def test_evidence_of_other_kinds_leaves_prompt_trust_alone(kind: EvidenceKind) -> None:
    log = Log()
    log.measured(0, 0.7)
    log.fold()
    before = bits(log.state)
    log.other(kind)
    effects = log.fold()
    assert bits(log.state) == before
    assert effects.trust_after[0] == log.score(0).trust_score


def test_a_row_that_was_not_loaded_is_refused() -> None:
    log = Log()
    log.measured(PROMPTS, 1.0)
    with pytest.raises(ValueError, match=r"event 0 of the slice has prompt = 6, outside 0…5"):
        log.fold()


# Revisions and forks


def test_a_fork_starts_from_half_its_parents_evidence() -> None:
    log = Log()
    log.fork(1, of=0)
    for assistant in range(ASSISTANTS):
        log.measured(0, 0.1, assistant=assistant)
    parent, child = log.score(0), log.score(1)
    assert child.n - child.kappa == pytest.approx((parent.n - parent.kappa) / 2)
    assert child.contributions[1].inherited == child.contributions[1].weight
    assert child.contributions[1].counted == 0.0


def test_what_is_read_before_a_forks_first_event_is_what_it_then_takes_over() -> None:
    log = Log()
    log.fork(1, of=0)
    log.measured(0, 0.1, runs=9.0)
    log.fold()
    read = log.score(1, now=TODAY + 30.0).trust_score
    log.opinion(1, 0.9, at=TODAY + 30.0)
    assert log.fold().trust_before[0] == read


def test_a_fork_keeps_what_it_started_from_when_its_parent_moves_on() -> None:
    log = Log()
    log.fork(1, of=0)
    log.measured(0, 0.5, assistant=0)
    log.measured(1, 0.5, assistant=0)
    before = log.score(1).trust_score
    log.measured(0, 0.0, assistant=1, runs=40.0)
    assert log.score(1).trust_score == pytest.approx(before)
    assert log.score(0).trust_score < before


def test_a_chain_of_edits_washes_off_no_more_than_one() -> None:
    log = Log()
    log.measured(0, 0.0, runs=30.0)
    for child in range(1, PROMPTS):
        log.fork(child, of=child - 1)
    once = log.score(1).trust_score
    assert log.score(PROMPTS - 1).trust_score == once

    # Nor does a word of praise for each edit on the way.
    for child in range(1, PROMPTS - 1):
        log.opinion(child, 0.5, rater=child)
    assert log.score(PROMPTS - 1).trust_score == pytest.approx(once, abs=0.01)


def test_many_generations_of_evidence_do_not_pile_up_on_the_last() -> None:
    log = Log(run_correlation=0.0)
    for child in range(1, PROMPTS):
        log.fork(child, of=child - 1)
    for prompt in range(PROMPTS):
        log.measured(prompt, 0.9, runs=100.0)
    last = log.score(PROMPTS - 1).contributions[1]
    assert last.weight <= 200.0
    assert last.inherited <= 100.0
