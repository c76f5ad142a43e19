"""The record of a team as pages, API and commands show it, and asking for a re-run there."""

import json

import pytest
from click.testing import CliRunner
from django.test import Client
from django.urls import reverse

from mintmark.accounts.models import User
from mintmark.claim_audits.models import ClaimAudit
from mintmark.cli.main import main

from .conftest import ClaimScene

pytestmark = pytest.mark.django_db


def _client(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def judged(scene: ClaimScene) -> ClaimScene:
    """One team whose claims held, and one whose claims did not."""
    liar, bot = scene.team("liars")
    prompts = scene.prompts(4)
    for n in range(28):
        scene.claim(prompts[n % 4], score=1.0)
        scene.claim(prompts[n % 4], score=0.0, by=liar, assistant=bot)
    scene.queued()
    while scene.worked() is not None:
        pass
    return scene


def test_the_list_shows_every_reporter_and_what_is_taken_to_be_false(judged: ClaimScene) -> None:
    page = _client(judged.cast.stranger).get(reverse("reporters"))
    text = page.content.decode()
    assert page.status_code == 200
    assert text.index("liars") < text.index("buyers")
    assert "At most 2.0% of claimed runs are run again" in text


def test_members_see_the_cases_side_by_side_and_strangers_do_not(judged: ClaimScene) -> None:
    address = reverse("reporter", args=[judged.cast.buyers.pk])
    own = _client(judged.cast.buyer).get(address).content.decode()
    assert "case-" in own and "held" in own and "Ask for a re-run" in own
    other = _client(judged.cast.stranger).get(address).content.decode()
    assert "case-" not in other and "Ask for a re-run" not in other
    assert "is shown to the team" in other


def test_a_re_run_is_asked_for_on_the_page_once(judged: ClaimScene) -> None:
    claim = judged.claim(judged.prompts(1)[0], score=1.0)
    address = reverse("request_audit", args=[claim.pk])
    assert _client(judged.cast.stranger).post(address).status_code == 403
    client = _client(judged.cast.buyer)
    said = client.post(address, follow=True).content.decode()
    assert f"runs event {claim.pk} again soon" in said
    assert ClaimAudit.objects.get(claim=claim).started_by.name == "buyer"
    assert client.post(address).status_code == 422
    assert client.post(reverse("request_audit", args=[10**9])).status_code == 404


def test_the_score_says_what_its_runs_come_from(judged: ClaimScene) -> None:
    prompt = ClaimAudit.objects.filter(execution__isnull=False)[0].prompt
    text = (
        _client(judged.cast.stranger).get(reverse("reputation", args=[prompt.pk])).content.decode()
    )
    assert "run by this installation" in text
    assert "claimed, and re-run in part" in text
    assert "Its record" in text
    answer = _client(judged.cast.stranger).get(f"/api/v1/prompts/{prompt.pk}/reputation").json()
    assert sum(answer["provenance"].values()) == pytest.approx(1.0)
    assert answer["provenance"]["executed"] > 0 < answer["provenance"]["claimed"]


def test_the_api_tells_the_record_and_its_verdicts(judged: ClaimScene) -> None:
    client = _client(judged.cast.buyer)
    record = client.get(f"/api/v1/reporters/{judged.cast.buyers.pk}").json()
    assert record["verdicts"] == record["held_verdicts"] >= 4 and record["is_proven"]
    verdicts = client.get(f"/api/v1/reporters/{judged.cast.buyers.pk}/verdicts").json()["items"]
    assert len(verdicts) == record["verdicts"]
    assert {case["claimed"] for verdict in verdicts for case in verdict["cases"]} == {1.0}


def _run(*words: str) -> str:
    result = CliRunner().invoke(main, ["reporter", *words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_the_commands_tell_the_same_and_set_the_budget(judged: ClaimScene) -> None:
    rows = json.loads(_run("record", "--json"))
    assert [row["team"] for row in rows] == ["liars", "buyers"]
    detail = json.loads(_run("record", "buyers", "--json"))
    assert detail["held_verdicts"] == detail["verdicts"] == len(detail["newest_verdicts"])
    assert "NO" in _run("record", "liars")
    terms = json.loads(_run("audits", "--share", "0.01", "--budget", "usd=2.5", "--json"))
    assert (terms["share"], terms["budgets"]) == (0.01, {"USD": 2_500_000})
    assert "at most 2.5 USD a day" in _run("audits")
