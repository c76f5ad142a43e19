"""Which view of the scores a request shows: the public one, or that of the caller's own team."""

import pytest

from mintmark.evidence.models import Vouch
from tests.api.test_bad_input import problem
from tests.factories.api_world import World


@pytest.mark.parametrize(
    ("name", "path", "status"),
    [
        ("operator", "/assistants/{scout}/trust", 200),
        ("scout", "/assistants/{scout}/trust", 200),
        ("admin", "/assistants/{scout}/trust", 200),
        ("stranger", "/assistants/{scout}/trust", 422),
        ("outsider", "/assistants/{scout}/trust", 422),
        ("auditor", "/assistants/{scout}/trust", 422),
        ("stranger", "/assistants/{scout}/trust/{prompt}", 422),
        ("auditor", "/prompts/{prompt}/reputation", 422),
        ("stranger", "/prompts/{prompt}/reputation", 200),
    ],
)
def test_a_teams_own_view_is_for_that_team(world: World, name: str, path: str, status: int) -> None:
    path = path.format(scout=world.scout.pk, prompt=world.prompt.pk)
    answer = world.as_(name).get(f"{path}?view=mine")
    if status == 422:
        problem(answer, 422, "no_own_view")
    assert answer.status_code == status
    assert world.as_(name).get(path).status_code == 200


def test_what_a_team_reports_is_in_its_own_view_alone(world: World) -> None:
    Vouch.objects.all().delete()
    operator, stranger = world.as_("operator"), world.as_("stranger")
    path = f"/prompts/{world.prompt.pk}/reputation"
    event = world.event_body(score=0.0, runs=50)
    assert operator.send("POST", "/evidence?wait=true", event).json()["recorded"] == 1
    public = operator.get(path).json()["trust"]["value"]
    assert operator.get(f"{path}?view=mine").json()["trust"]["value"] < public
    assert stranger.get(f"{path}?view=mine").json()["trust"]["value"] == public


def test_a_ranking_is_public_unless_the_own_teams_is_asked_for(world: World) -> None:
    path = "/ranking?assistant=scout&task=summaries"
    operator = world.as_("operator")
    public = operator.get(path).json()
    mine = operator.get(f"{path}&view=mine").json()
    assert {row["prompt"]["id"] for row in mine["items"]} == {
        row["prompt"]["id"] for row in public["items"]
    }
    refused = world.as_("stranger").get(f"{path}&view=mine")
    assert (refused.status_code, refused.json()["code"]) == (422, "no_own_view")
