"""Attacks by false reports, on a few markets: bounded, and far below what believing everybody allows."""

import pytest

from mintmark.scoring.reputation_constants import ReputationPolicy
from mintmark.simulation import claim_attacks

POLICY = ReputationPolicy()


@pytest.mark.parametrize("attack", ["plain", "private models", "a million runs", "slow drip"])
def test_half_of_the_teams_move_little(attack: str) -> None:
    result = claim_attacks.run_attack(attack, liars=20, policy=POLICY, seeds=range(50, 53))
    assert result.mean["mintmark"] < 0.12 < 0.3 < result.mean["believing everybody"]


@pytest.mark.parametrize("attack", ["camouflage", "mixed", "known cases", "new identities"])
def test_lies_that_only_show_together_move_little(attack: str) -> None:
    result = claim_attacks.run_attack(attack, liars=20, policy=POLICY, seeds=range(60, 63))
    assert result.mean["mintmark"] < 0.08


@pytest.mark.parametrize("attack", claim_attacks.ATTACKS)
def test_one_team_alone_moves_next_to_nothing(attack: str) -> None:
    result = claim_attacks.run_attack(attack, liars=1, policy=POLICY, seeds=range(60, 62))
    assert result.mean["mintmark"] < 0.04


def test_what_is_not_audited_is_bounded_all_the_same() -> None:
    result = claim_attacks.run_attack(
        "plain", liars=20, policy=POLICY, seeds=range(60, 62), audited=0.0
    )
    assert result.mean["mintmark"] < 0.1 < 0.3 < result.mean["believing everybody"]


def test_the_same_seeds_give_the_same_numbers() -> None:
    first, second = (
        claim_attacks.run_attack("mixed", liars=5, policy=POLICY, seeds=range(2)) for _ in range(2)
    )
    assert first == second
