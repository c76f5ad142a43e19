"""A test call: one call to a real endpoint, on its good days and its bad ones; nothing kept, no key shown."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result
from django.test import Client

from mintmark.cli import exit_codes
from mintmark.cli.main import main
from mintmark.common import errors
from mintmark.evidence.models import Event
from mintmark.rituals import runner_check
from mintmark.rituals.models import CaseRun, RitualRun
from mintmark.rituals.runner_settings import InvalidRunner
from tests.factories.ritual_scene import KEY, KEY_NAME, Scene

from .model_server import Model

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(scene: Scene) -> Callable[..., Any]:
    """Press the button on the page of how the scout is reached."""
    client = Client()
    client.force_login(scene.cast.buyer)

    def press(**headers: str) -> Any:
        path = f"/assistants/{scene.cast.scout.pk}/runner"
        return client.post(path, {"do": "try"}, headers=headers)

    return press


@pytest.fixture(autouse=True)
def plain_static_files(settings: Any) -> None:
    backend = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = settings.STORAGES | {"staticfiles": backend}


def test_an_endpoint_that_answers_is_asked_once_and_nothing_is_kept(
    scene: Scene, model: Model
) -> None:
    scene.reached("skilled")
    found = runner_check.check_runner(caller=scene.caller, assistant=scene.cast.scout)
    assert (found.answers, found.model, found.tokens_in) == (True, "skilled", 20)
    assert found.latency_ms is not None and found.latency_ms > 0
    (asked,) = model.asked
    assert asked["max_tokens"] == runner_check._MAX_TOKENS
    assert model.keys == {f"Bearer {KEY}"}
    assert [kept.objects.count() for kept in (RitualRun, CaseRun, Event)] == [0, 0, 0]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("down", "status_500"),
        ("unauthorised", "status_401"),
        ("elsewhere", "redirected"),
        ("malformed", "malformed_reply"),
        ("trickle", "timed_out"),
        ("huge", "reply_too_large"),
        ("patient", "rate_limited"),
    ],
)
def test_on_a_bad_day_it_says_which_and_asks_no_second_time(
    scene: Scene, model: Model, settings: Any, name: str, problem: str
) -> None:
    settings.REPLY_MAX_BYTES = 100_000
    scene.reached(name)
    found = runner_check.check_runner(caller=scene.caller, assistant=scene.cast.scout)
    assert (found.answers, found.problem, found.latency_ms) == (False, problem, None)
    assert KEY not in found.message
    assert model.requests == 1


def test_nobody_there_is_said(scene: Scene) -> None:
    scene.reached(base_url="http://127.0.0.1:9/v1")
    found = runner_check.check_runner(caller=scene.caller, assistant=scene.cast.scout)
    assert (found.answers, found.problem) == (False, "unreachable")


def test_a_person_does_not_wait_as_long_as_a_run_may(
    scene: Scene,
) -> None:
    scene.reached("slow", timeout_seconds=600.0)
    found = runner_check.check_runner(caller=scene.caller, assistant=scene.cast.scout, seconds=0.2)
    assert (found.problem, "0.2 s" in found.message) == ("timed_out", True)


def test_where_there_is_no_endpoint_or_no_key_it_is_refused(
    scene: Scene, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidRunner, match="has no runner"):
        runner_check.check_runner(caller=scene.caller, assistant=scene.cast.scout)
    scene.reached("", kind="rehearsal", base_url="", key_name="")
    with pytest.raises(InvalidRunner, match="no endpoint"):
        runner_check.check_runner(caller=scene.caller, assistant=scene.cast.scout)
    scene.reached()
    monkeypatch.delenv(KEY_NAME)
    with pytest.raises(InvalidRunner, match="holds no key"):
        runner_check.check_runner(caller=scene.caller, assistant=scene.cast.scout)
    assert model.asked == []


def test_a_host_that_is_no_longer_allowed_is_not_called(
    scene: Scene, model: Model, settings: Any
) -> None:
    scene.reached()
    settings.RUNNER_HOSTS = ["api.example.com"]
    with pytest.raises(InvalidRunner, match=r"api\.example\.com"):
        runner_check.check_runner(caller=scene.caller, assistant=scene.cast.scout)
    assert model.asked == []


def test_who_does_not_operate_it_calls_nothing(scene: Scene, model: Model) -> None:
    scene.reached()
    for user in (scene.cast.seller, scene.cast.stranger, scene.cast.auditor):
        caller = scene.cast.as_(user)
        with pytest.raises(errors.Forbidden):
            runner_check.check_runner(caller=caller, assistant=scene.cast.scout)
    assert model.asked == []


def test_the_page_says_it_and_shows_neither_key_nor_reply(
    scene: Scene, page: Callable[..., Any]
) -> None:
    scene.reached("leaky")
    for headers in ({}, {"HX-Request": "true"}):
        answer = page(**headers)
        said = answer.content.decode()
        assert answer.status_code == 200
        assert "The endpoint answers:" in said and "leaky" in said
        assert KEY not in said and "ghp_" not in said
        assert ("<html" in said) == (not headers)
    scene.reached("unauthorised")
    said = page().content.decode()
    assert "the endpoint answered 401" in said and KEY not in said


def test_the_page_says_why_it_could_not_be_tried(
    scene: Scene, page: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = page()
    assert (answer.status_code, "has no runner" in answer.content.decode()) == (422, True)
    scene.reached()
    monkeypatch.delenv(KEY_NAME)
    assert "holds no key here" in page().content.decode()


def test_the_command_says_it_with_its_exit_code(scene: Scene) -> None:
    def call(*arguments: str) -> Result:
        return CliRunner().invoke(main, arguments)

    scene.reached("skilled")
    answered = call("ritual", "check-runner", "scout")
    assert (answered.exit_code, "skilled answers" in answered.stdout) == (exit_codes.DONE, True)
    scene.reached("down")
    failed = call("ritual", "check-runner", "scout", "--json")
    assert failed.exit_code == exit_codes.PROBLEM
    assert json.loads(failed.stdout)["problem"] == "status_500"
    assert KEY not in failed.output
    assert (
        call("ritual", "check-runner", "scout", "--by", "seller").exit_code == exit_codes.BAD_INPUT
    )
