"""What claims count for is bounded, and a state that has claims in it is replayed to the same bits."""

from __future__ import annotations

import numpy as np
import pytest

from mintmark.scoring import claim_weights, prompt_model
from tests.scoring.reputation_log import Log, bits, part


def build_claim_log(seed: int) -> Log:
    """Executions, claims and reweighed teams, at random."""
    rng = np.random.default_rng(seed)
    log = Log()
    for _ in range(80):
        prompt, team = int(rng.integers(0, 6)), int(rng.integers(0, 4))
        if rng.random() < 0.2:
            # A team may be found to lie throughout: λ = 1.
            share = float(rng.choice([0.0, 0.003, 0.3, 1.0]))
            log.reweigh(team, false_share=share, prompt=prompt)
        elif rng.random() < 0.3:
            log.measured(prompt, float(rng.random()), assistant=team, runs=10.0)
        else:
            log.claim(prompt, float(rng.random()), assistant=team, runs=20.0)
    return log


@pytest.mark.parametrize("seed", range(5))
def test_claims_fold_to_the_same_bits_in_slices(seed: int) -> None:
    whole, sliced = build_claim_log(seed), build_claim_log(seed)
    whole.fold()
    events = sliced.events()
    for start, end in ((0, 13), (13, 14), (14, 60), (60, 80)):
        prompt_model.fold(sliced.policy, sliced.state, part(events, slice(start, end)))
    assert bits(sliced.state) == bits(whole.state)


@pytest.mark.parametrize("seed", range(5))
def test_contributions_add_up_with_claims(seed: int) -> None:
    log = build_claim_log(seed)
    log.fold()
    for prompt in range(6):
        score = log.score(prompt)
        total = sum(term.amount for term in score.contributions)
        assert abs(total - score.trust_score) <= 1e-12


@pytest.mark.parametrize("runs", [1.0, 20.0, 1_000_000.0])
def test_one_teams_claims_count_at_most_c(runs: float) -> None:
    log = Log()
    log.reweigh(0, false_share=0.03)
    for _ in range(30):
        log.claim(0, 0.5, runs=runs)
    log.fold()
    variance = claim_weights.run_variance(0.5)
    capacity = claim_weights.team_capacity(
        variance, log.policy.harness_sd, 0.03, log.policy.false_distance
    )
    assert 0.0 < log.state.prompt_teams.placed[0, 0] <= capacity


def test_a_team_that_lies_throughout_counts_as_nothing() -> None:
    log = Log()
    log.measured(0, 0.5, runs=20.0, assistant=1)
    before = log.score(0).trust_score
    log.reweigh(0, false_share=1.0)
    log.claim(0, 1.0, runs=500.0)
    assert log.score(0).trust_score == before


def test_a_team_far_from_what_was_executed_moves_less_the_further_off_it_is() -> None:
    pulls = []
    for score in (0.55, 0.7, 0.9, 1.0):
        log = Log()
        for assistant in range(1, 4):
            log.measured(0, 0.5, runs=200.0, assistant=assistant)
        log.reweigh(0, false_share=0.003)
        before = log.score(0).trust_score
        log.claim(0, score, runs=500.0)
        pulls.append(log.score(0).trust_score - before)
    near, _, far, furthest = pulls
    assert 0.0 < furthest < far
    assert near > 0.0


def test_a_team_within_its_limit_counts_in_full() -> None:
    limits = {"size": 40.0, "variance": 0.24, "harness_sd": 0.05, "tolerance": 2.0}
    near = claim_weights.team_credibility(20.0, 20.0 * 0.1, 0.0, *limits.values())
    far = claim_weights.team_credibility(20.0, 20.0 * 0.5, 0.0, *limits.values())
    further = claim_weights.team_credibility(20.0, 20.0 * 0.8, 0.0, *limits.values())
    assert near == 1.0 > far > further > 0.0
    assert 0.8 * further < 0.5 * far
