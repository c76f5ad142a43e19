"""`GET /prompts/{id}/gains`: what an edit gained or cost, over all assistants and each."""

import pytest

from tests.factories.api_world import World


def test_an_edit_is_compared_with_its_parent_assistant_by_assistant(folded_world: World) -> None:
    world = folded_world
    told = world.as_("stranger").get(f"/prompts/{world.fork.pk}/gains").json()
    assert told["prompt"]["id"] == world.fork.pk
    assert told["parent"]["id"] == world.prompt.pk
    (one,) = told["items"]
    assert one["assistant"] == {"id": world.scout.pk, "name": "scout"}
    assert one["is_own"] is False
    # 9 of 10 against 15 of 20.
    assert one["gain"]["score"] == pytest.approx(0.15)
    assert one["gain"]["low"] < 0.0 < one["gain"]["high"]
    assert one["gain"]["runs"] == pytest.approx(20 * 10 / 30)
    assert told["overall"] == one["gain"]
    assert world.as_("operator").get(f"/prompts/{world.fork.pk}/gains").json()["items"][0]["is_own"]


def test_an_original_has_gained_on_nothing(world: World) -> None:
    told = world.as_("admin").get(f"/prompts/{world.prompt.pk}/gains").json()
    assert (told["parent"], told["overall"], told["items"]) == (None, None, [])


def test_a_prompt_that_is_not_there_is_not_found(world: World) -> None:
    answer = world.as_("admin").get("/prompts/999999/gains")
    assert answer.status_code == 404
    assert "999999" in answer.json()["detail"]
