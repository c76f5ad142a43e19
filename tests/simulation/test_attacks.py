"""What an attacker can do to the scores, held to the goals of the design."""

from __future__ import annotations

import numpy as np
import pytest

from mintmark.scoring.reputation_constants import ReputationPolicy
from mintmark.simulation import attacks, simulated_market
from mintmark.simulation.attacks import AttackReport


@pytest.fixture(scope="module")
def report() -> AttackReport:
    return attacks.simulate(policy=ReputationPolicy(), seeds=2)


def test_as_many_sybils_as_raters_camouflaged_and_spread_move_a_score_by_a_tenth_at_most(
    report: AttackReport,
) -> None:
    for row in (*report.displacements, *report.chosen_votes):
        assert abs(row.mean["mintmark"]) <= 0.10, row.attack


def test_the_same_attack_takes_the_mean_of_stars_most_of_the_way(report: AttackReport) -> None:
    worst = [row for row in report.displacements if row.attack.share == 1.0]
    assert len(worst) == 8
    assert all(abs(row.mean["raw_mean"]) > 0.6 for row in worst)


def test_an_attack_moves_a_score_the_way_the_attacker_wants(report: AttackReport) -> None:
    for row in report.displacements:
        sign = 1.0 if row.attack.goal == "promote" else -1.0
        assert sign * row.mean["mintmark"] > 0.0


def test_without_attack_the_error_is_a_tenth_at_most(report: AttackReport) -> None:
    assert report.peace.error["mintmark"] <= 0.10


def test_a_new_identity_washes_and_a_trivial_edit_hardly(report: AttackReport) -> None:
    for row in report.washing:
        assert row.trivial_edit < 0.4 * row.new_identity
        assert row.five_edits == row.trivial_edit


def test_honest_ratings_help_most_where_little_was_measured(report: AttackReport) -> None:
    gains = [row.without_ratings - row.with_ratings for row in report.honest]
    assert [row.runs for row in report.honest] == [1.0, 3.0, 10.0, 100.0]
    assert min(gains) > 0.0
    assert gains[0] > 3.0 * gains[-1]


def test_the_same_seeds_give_the_same_numbers(report: AttackReport) -> None:
    assert attacks.simulate(policy=ReputationPolicy(), seeds=2) == report


def test_an_attack_leaves_the_peaceful_market_as_it_was() -> None:
    rng = np.random.default_rng(0)
    peaceful = simulated_market.play(policy=ReputationPolicy(), rng=rng, target_quality=0.2)
    before = simulated_market.score_by_method(peaceful)
    attacks.run_attack(peaceful, attacks.list_attacks()[3], rng=rng)
    after = simulated_market.score_by_method(peaceful)
    for method, trust in before.items():
        np.testing.assert_array_equal(after[method], trust)


def test_intervals_of_the_peaceful_market_hold_nine_in_ten() -> None:
    inside = []
    for seed in range(4):
        rng = np.random.default_rng([seed, 9])
        played = simulated_market.play(policy=ReputationPolicy(), rng=rng)
        read = simulated_market.compute_scores(played)
        inside.append((read.low <= played.quality) & (played.quality <= read.high))
    assert 0.87 <= float(np.mean(inside)) <= 0.95


def test_the_wilson_bound_is_wilsons() -> None:
    # 8 of 10: Wilson's 95% interval starts at 0.4902 (Newcombe 1998, method 3).
    bound = simulated_market.wilson_bound(np.array([0.8, 0.0]), np.array([10.0, 0.0]))
    assert bound == pytest.approx([0.4902, 0.0], abs=1e-4)
