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


def test_noise_is_learned_from_cases_that_were_executed_twice() -> None:
    twice = np.array([0.0, 1.0] * 500)
    learned = reporter_record.learn_noise_share(twice, np.full(1000, 0.25))
    assert abs(learned - 2.0) < 0.05
    assert reporter_record.learn_noise_share(np.empty(0), np.empty(0)) == 1.0
