"""The page that says how an assistant is reached."""

from typing import Any

import pytest
from django.test import Client

from mintmark.accounts.models import Role
from mintmark.rituals.models import RunnerSettings
from tests.factories.cast import person
from tests.factories.runs_fixture import Laboratory
from tests.web import markup
from tests.web.measuring import pages

pytestmark = pytest.mark.django_db

REFUSED: list[tuple[dict[str, str], str]] = [
    ({"base_url": "ftp://x"}, "Give an address such as"),
    ({"base_url": "http://169.254.169.254/"}, "secrets of cloud machines"),
    ({"key_name": "PATH"}, "Name a variable MINTMARK_RUNNER_BUYERS__"),
    ({"key_name": "MINTMARK_RUNNER_SELLERS__API"}, "MINTMARK_RUNNER_BUYERS__"),
    ({"model": ""}, "needs the name of a model"),
    ({"attempts": "11"}, "from 1 to 10"),
    ({"at_once": "many"}, "at_once"),
    ({"timeout_seconds": "nan"}, "a number, such as 2.5"),
    ({"timeout_seconds": "0"}, "from 0.1 to 3,600"),
    ({"price_in": "free"}, "price_in"),
    ({"currency": "dollars"}, "1 to 8 capitals"),
    ({"kind": "oracle"}, "It is one of openai, transcript, rehearsal."),
    ({"kind": "transcript"}, "calls no endpoint"),
    ({"judge": "999999"}, "No assistant"),
    (
        {"kind": "transcript", "base_url": "", "key_name": "", "transcript": "- {case: 3}"},
        "It must name the case",
    ),
    (
        {"kind": "transcript", "base_url": "", "key_name": "", "transcript": "[1"},
        "line ",
    ),
]

ENDPOINT: dict[str, Any] = {
    "kind": "openai",
    "base_url": "https://models.example.com/v1",
    "model": "large-1",
    "key_name": "MINTMARK_RUNNER_BUYERS__API",
    "timeout_seconds": "30",
    "attempts": "3",
    "at_once": "2",
    "per_minute": "60",
    "price_in": "0.0025",
    "price_out": "0.01",
    "currency": "EUR",
    "cost_cap": "2",
    "judge": "",
    "transcript": "",
}


def _path(lab: Laboratory) -> str:
    return f"/assistants/{lab.cast.scout.pk}/runner"


def test_its_team_sees_how_it_is_reached_and_nobody_else(
    buyer: Client, seller: Client, stranger: Client, lab: Laboratory
) -> None:
    said = pages.words(pages.page(buyer, _path(lab)))
    assert "Replies that were written down before." in said
    assert "recorded replies 12" in said
    assert "0.002 USD in, 0 out" in said
    pages.page(lab.scene.client(lab.scene.admin), _path(lab))
    for client in (seller, stranger):
        assert "written down" not in pages.page(client, _path(lab), status=403)
        assert pages.post(client, _path(lab), **ENDPOINT).status_code == 403
        trust = pages.page(client, f"/assistants/{lab.cast.scout.pk}/trust")
        assert "Its endpoint" not in trust


def test_who_does_not_operate_reads_alone(lab: Laboratory) -> None:
    author = lab.scene.client(person("pen", Role.AUTHOR, team=lab.cast.buyers))
    assert '<form class="sheet' not in pages.page(author, _path(lab))
    assert pages.post(author, _path(lab), **ENDPOINT).status_code == 403
    assert RunnerSettings.objects.get(assistant=lab.cast.scout).kind == "transcript"


def test_an_operator_says_it_anew_and_the_key_is_named_alone(
    buyer: Client, lab: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINTMARK_RUNNER_BUYERS__API", "sk-the-key-itself")
    answer = pages.post(buyer, _path(lab), **ENDPOINT)
    assert answer["Location"] == _path(lab)
    runner = RunnerSettings.objects.get(assistant=lab.cast.scout)
    assert (runner.base_url, runner.model) == ("https://models.example.com/v1", "large-1")
    assert (runner.price_in_micro, runner.price_out_micro) == (2_500, 10_000)
    assert (runner.cost_cap_micro, runner.currency) == (2_000_000, "EUR")
    assert (runner.timeout_seconds, runner.attempts, runner.at_once) == (30.0, 3, 2)
    page = pages.page(buyer, _path(lab))
    assert "MINTMARK_RUNNER_BUYERS__API" in page
    assert "sk-the-key-itself" not in page
    assert 'value="0.0025"' in page


def test_a_refusal_names_the_field_and_nothing_typed_is_lost(
    buyer: Client, lab: Laboratory
) -> None:
    for changes, says in REFUSED:
        sent = ENDPOINT | changes
        answer = pages.post(buyer, _path(lab), **sent)
        page = markup.read(answer)
        assert answer.status_code == 422
        assert says in page
        assert f'name="currency" value="{sent["currency"]}"' in page
        assert RunnerSettings.objects.get(assistant=lab.cast.scout).kind == "transcript"


def test_a_key_in_the_place_of_its_name_is_not_said_again(buyer: Client, lab: Laboratory) -> None:
    answer = pages.post(buyer, _path(lab), **ENDPOINT | {"key_name": "sk-the-key-itself"})
    assert answer.status_code == 422
    assert "sk-the-key-itself" not in markup.read(answer)


def test_every_field_that_is_wrong_is_named_at_once(buyer: Client, lab: Laboratory) -> None:
    answer = pages.post(buyer, _path(lab), **ENDPOINT | {"currency": "x", "attempts": "0"})
    said = pages.words(markup.read(answer))
    assert "currency: It is 1 to 8 capitals" in said
    assert "attempts: It is a number from 1 to 10" in said


def test_replies_that_stand_stay_where_none_is_pasted(buyer: Client, lab: Laboratory) -> None:
    kept = {"kind": "transcript", "base_url": "", "model": "", "key_name": "", "attempts": "2"}
    assert pages.post(buyer, _path(lab), **ENDPOINT | kept).status_code == 302
    runner = RunnerSettings.objects.get(assistant=lab.cast.scout)
    assert (len(runner.transcript), runner.attempts) == (12, 2)
    pasted = kept | {"transcript": "- {case: outage, output: urgent}"}
    pages.post(buyer, _path(lab), **ENDPOINT | pasted)
    assert list(RunnerSettings.objects.get(assistant=lab.cast.scout).transcript) == ["0:outage"]


def test_a_judge_is_an_assistant_that_one_operates(buyer: Client, lab: Laboratory) -> None:
    ranger = lab.cast.assistant("ranger", team=lab.cast.buyers)
    lab.reached(ranger, kind="rehearsal")
    page = pages.page(buyer, _path(lab))
    assert ">ranger</option>" in page
    assert ">smith</option>" not in page
    pages.post(buyer, _path(lab), **ENDPOINT | {"judge": ranger.pk})
    assert "judge of rubrics ranger" in pages.words(pages.page(buyer, _path(lab)))
    sent = ENDPOINT | {"judge": lab.cast.smith.pk}
    assert pages.post(buyer, _path(lab), **sent).status_code == 403


def test_an_assistant_of_which_nobody_has_said_it(buyer: Client, lab: Laboratory) -> None:
    ranger = lab.cast.assistant("ranger", team=lab.cast.buyers)
    page = pages.page(buyer, f"/assistants/{ranger.pk}/runner")
    assert "No endpoint is set" in page
    pages.page(buyer, "/assistants/999999/runner", status=404)
