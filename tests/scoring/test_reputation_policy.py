"""A policy of prompt trust is kept to the last bit, and refused where it means nothing."""

from __future__ import annotations

import math

import pytest

from mintmark.scoring.reputation_constants import ReputationPolicy


def test_a_policy_survives_json_to_the_last_bit() -> None:
    policy = ReputationPolicy(
        kappa={"summarise": 0.1 + 0.2, "7": 1e-7}, opinion_share=1.0 / 3.0, run_correlation=0.02
    )
    assert ReputationPolicy.from_json(policy.to_json()) == policy


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kappa_default", 0.0),
        ("kappa_default", math.nan),
        ("half_life_measured_days", math.inf),
        ("opinion_share", 1.5),
        ("run_correlation", -0.1),
        ("inheritance", math.nan),
    ],
)
def test_a_policy_refuses_constants_that_mean_nothing(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=field):
        ReputationPolicy(**{field: value})  # type: ignore[arg-type]


def test_a_policy_of_a_newer_version_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="moon_phase"):
        ReputationPolicy.from_json('{"moon_phase": 1.0}')
