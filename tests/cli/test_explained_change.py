"""`mintmark replay --explain-change`: which scores a new policy changed, as of the same event."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from mintmark.projection import policies, replay
from mintmark.projection.prompt_models import Policy
from mintmark.scoring.reputation_constants import ReputationPolicy
from tests.factories.cast import Cast

from .conftest import Call

pytestmark = pytest.mark.django_db


def _put_in_force(cast: Cast, **changes: Any) -> None:
    current = policies.get_current()
    constants = replace(ReputationPolicy.from_json(current.reputation), **changes)
    policy = Policy.objects.create(
        pairs=current.pairs, reputation=constants.to_json(), note="more prior", created_at=cast.now
    )
    replay.rebuild(policy=policy, now=cast.now)


def test_it_names_the_prompts_that_changed_and_their_runs(
    built_cast: Cast, answer: Callable[..., Any], call: Call
) -> None:
    cast = built_cast
    cast.record(cast.outcome(score=1.0, runs=40))
    assert answer("replay", "--explain-change") == {}
    _put_in_force(cast, kappa_default=60.0)
    told = answer("replay", "--explain-change")
    (change,) = told["changes"]
    assert (told["compared"], told["changed"]) == (1, 1)
    assert change["prompt"] == "acme/triage@1"
    assert change["trust_before"] > change["trust_after"] > 0.5
    assert change["runs"] == {"vouched": 40}
    text = call("replay", "--explain-change").output
    assert "40 vouched" in text and "more prior" in text
    assert call("replay", "--check", "--explain-change").exit_code == 2


def test_a_policy_that_changes_nothing_lists_nothing(
    built_cast: Cast, answer: Callable[..., Any]
) -> None:
    cast = built_cast
    cast.record(cast.outcome(score=1.0, runs=40))
    _put_in_force(cast)
    told = answer("replay", "--explain-change")
    assert (told["compared"], told["changed"], told["changes"]) == (1, 0, [])
