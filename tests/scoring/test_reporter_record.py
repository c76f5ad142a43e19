"""The record of a team that reports: learned from claims that were run again."""

import numpy as np

from mintmark.scoring import reporter_record
from mintmark.scoring.reporter_record import Verdict

HARNESS_SD, FALSE_DISTANCE = 0.05, 0.5


def _learn(team: list[int], prompt: list[int], difference: list[float]) -> reporter_record.Records:
    density = [
        reporter_record.compute_honest_density(
            Verdict(difference=d, cases=3, variance=0.24, noise_share=0.6), harness_sd=HARNESS_SD
        )
        for d in difference
    ]
    return reporter_record.learn_records(
        team=np.array(team),
        prompt=np.array(prompt),
        density=np.array(density),
        teams=max(team) + 2,
        prompts=max(prompt) + 1,
        harness_sd=HARNESS_SD,
        false_distance=FALSE_DISTANCE,
    )


def test_an_honest_team_is_told_from_a_liar() -> None:
    records = _learn([0] * 10 + [1] * 10, list(range(10)) * 2, [0.05] * 10 + [0.9] * 10)
    honest, liar, unknown = records.team_share
    assert honest < unknown < 0.1 < liar
    assert records.verdicts.tolist() == [10, 10, 0]


def test_teams_that_are_honest_elsewhere_show_that_a_prompt_is_attacked() -> None:
    team = [t for t in range(6) for _ in range(8)]
    prompt = [p for _ in range(6) for p in (0, 0, 1, 2, 3, 4, 5, 6)]
    difference = [0.9 if p == 0 else 0.0 for p in prompt]
    records = _learn(team, prompt, difference)
    assert records.prompt_share[0] > 0.5 > 10 * records.prompt_share[1:].max()
    assert records.compute_pair_share(0, 0) > records.compute_pair_share(0, 1) + 0.4


def test_a_known_liar_says_nothing_of_the_prompt() -> None:
    team, prompt = [0] * 12, [0, 0, *range(1, 11)]
    records = _learn(team, prompt, [0.9] * 12)
    assert records.prompt_share[0] < 0.1


def _attack_chances(difference: list[float]) -> float:
    """Of one prompt whose claims differed by these amounts, one re-run after another; another prompt's are true."""
    n = len(difference)
    chances = reporter_record.compute_attack_chances(
        prompt=np.array([0] * n + [1] * n),
        audit=np.arange(2 * n),
        difference=np.array([*difference, *[0.05, -0.05] * (n // 2)]),
        variance=np.full(2 * n, 0.048),
        weight=np.ones(2 * n),
        prompts=3,
        harness_sd=HARNESS_SD,
    )
    assert chances[1] < 0.1 and chances[2] == 0.0
    return float(chances[0])


def test_small_lies_in_one_direction_show_together() -> None:
    assert _attack_chances([0.25] * 20) > 0.9
    assert _attack_chances([0.25, -0.25] * 10) < 0.1


def test_a_turn_after_a_long_honesty_shows() -> None:
    honest = [0.05, -0.05] * 10
    assert _attack_chances(honest + [0.5] * 4) > 0.9 > 0.1 > _attack_chances(honest + [0.0] * 4)


def test_claims_that_share_a_rerun_count_once() -> None:
    chances = [
        reporter_record.compute_attack_chances(
            prompt=np.zeros(6, dtype=np.int64),
            audit=np.array(audit),
            difference=np.full(6, 0.35),
            variance=np.full(6, 0.048),
            weight=np.ones(6),
            prompts=1,
            harness_sd=HARNESS_SD,
        )[0]
        for audit in ([0] * 6, list(range(6)))
    ]
    assert chances[0] < 0.5 < chances[1]


def test_noise_is_learned_from_cases_that_were_executed_twice() -> None:
    twice = np.array([0.0, 1.0] * 500)
    learned = reporter_record.learn_noise_share(twice, np.full(1000, 0.25))
    assert abs(learned - 2.0) < 0.05
    assert reporter_record.learn_noise_share(np.empty(0), np.empty(0)) == 1.0
