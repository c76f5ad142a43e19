"""Setting runners up: who may, which addresses and keys are refused."""

from typing import Any

import pytest

from mintmark.common import errors
from mintmark.registry import assistants
from mintmark.rituals import runner_settings
from mintmark.rituals.models import RunnerSettings
from mintmark.rituals.runner_settings import InvalidRunner, RunnerSettingsInput
from mintmark.rituals.runners import transcript
from tests.factories.ritual_scene import KEY_NAME, Scene

pytestmark = pytest.mark.django_db


def test_an_operator_of_the_team_sets_a_runner_up_and_changes_it(scene: Scene) -> None:
    scene.reached("one")
    scene.reached("two", price_in_micro=5)
    runner = RunnerSettings.objects.get(assistant=scene.cast.scout)
    assert (runner.model, runner.price_in_micro) == ("two", 5)
    assert runner.key_name == KEY_NAME


def test_nobody_else_does(scene: Scene) -> None:
    for user in (scene.cast.seller, scene.cast.stranger, scene.cast.auditor):
        with pytest.raises(errors.Forbidden):
            runner_settings.configure(
                caller=scene.cast.as_(user),
                assistant=scene.cast.scout,
                setup=RunnerSettingsInput(kind="rehearsal"),
                now=scene.now,
            )


@pytest.mark.parametrize(
    "name",
    [
        "MINTMARK_RUNNER_SELLERS__TEST",
        "MINTMARK_RUNNER_BUYERS__",
        "MINTMARK_RUNNER_BUYERS__A__B",
        "MINTMARK_RUNNER_BUYERS___A",
        "MINTMARK_RUNNER_OTHER",
        "MINTMARK_RUNNER_" + "HOSTS",
        "MINTMARK_SECRET_" + "KEY",
        "PATH",
        "MINTMARK_RUNNER_BUYERS__lower",
    ],
)
def test_an_operator_names_keys_of_his_team_alone(scene: Scene, name: str) -> None:
    with pytest.raises(InvalidRunner, match="key_name"):
        scene.reached(key_name=name)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://example.com/v1",
        "file:///etc/passwd",
        "http://",
        "http://user:password@example.com/v1",
        "http://example.com/v1?key=1",
        "http://example.com/v1#part",
        "http://169.254.169.254/latest/meta-data",
        "http://[fe80::1]/v1",
        "http://0.0.0.0/v1",
        "http://exa mple.com/v1",
        "http://exämple.com/v1",
        "http://example.com:99999/v1",
        "http://example.com/\n",
    ],
)
def test_an_address_that_is_none_or_tells_secrets_is_refused(scene: Scene, url: str) -> None:
    with pytest.raises(InvalidRunner, match="base_url"):
        scene.reached(base_url=url)


def test_an_installation_may_allow_some_hosts_alone(scene: Scene, settings: Any) -> None:
    settings.RUNNER_HOSTS = ["api.example.com", "127.0.0.1:9"]
    with pytest.raises(InvalidRunner, match="MINTMARK_RUNNER_"):
        scene.reached()
    scene.reached(base_url="https://api.example.com/v1")
    scene.reached(base_url="http://127.0.0.1:9/v1")


def test_hosts_that_are_no_longer_allowed_are_not_called(
    scene: Scene, settings: Any, model: Any
) -> None:
    scene.reached()
    run = scene.started()
    settings.RUNNER_HOSTS = ["api.example.com"]
    scene.worked()
    run.refresh_from_db()
    assert "api.example.com" in run.reason
    assert model.asked == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "python"},
        {"model": ""},
        {"timeout_seconds": 0.0},
        {"attempts": 0},
        {"attempts": 11},
        {"at_once": 65},
        {"per_minute": -1},
        {"price_in_micro": -1},
        {"currency": "usd"},
        {"cost_cap_micro": -1},
        {"kind": "transcript"},
        {"kind": "rehearsal"},  # with an address that it would not call
    ],
)
def test_what_is_out_of_bounds_is_refused_with_its_field(
    scene: Scene, wrong: dict[str, Any]
) -> None:
    with pytest.raises(InvalidRunner) as refused:
        scene.reached(**wrong)
    assert refused.value.rows
    assert not RunnerSettings.objects.exists()


def test_a_judge_is_an_assistant_that_the_caller_operates_and_can_be_reached(scene: Scene) -> None:
    with pytest.raises(errors.Forbidden):
        scene.reached(judge=scene.cast.smith)
    judge = scene.cast.assistant("judge", team=scene.cast.buyers)
    with pytest.raises(InvalidRunner, match="judge"):
        scene.reached(judge=judge)
    scene.reached("judge", assistant=judge)
    assert scene.reached(judge=judge).judge is not None


def test_a_key_may_come_from_a_file(
    scene: Scene, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, model: Any
) -> None:
    monkeypatch.delenv(KEY_NAME)
    file = tmp_path / "key"
    file.write_text("sk-from-a-file-0123456789\n")
    monkeypatch.setenv(f"{KEY_NAME}_FILE", str(file))
    run = scene.ran()
    assert run.state == run.State.DONE
    assert model.keys == {"Bearer sk-from-a-file-0123456789"}


def test_a_runner_is_seen_by_its_team_alone(scene: Scene) -> None:
    runner = scene.reached()
    assert list(runner_settings.visible_to(caller=scene.caller)) == [runner]
    other = scene.cast.as_(scene.cast.seller)
    assert not runner_settings.visible_to(caller=other).exists()


@pytest.mark.parametrize(
    "told",
    [
        None,
        [],
        {},
        [{"case": "a"}],
        [{"case": "", "output": "x"}],
        [{"case": "a", "output": 3}],
        [{"case": "a", "output": "x", "frame": -1}],
        [{"case": "a", "output": "x", "latency_ms": "fast"}],
        [{"case": "a", "output": "x"}, {"case": "a", "output": "y"}],
        ["a"],
    ],
)
def test_a_transcript_that_is_none_is_refused(told: object) -> None:
    with pytest.raises(transcript.InvalidTranscript):
        transcript.validate_replies(told)


def test_an_assistant_that_is_not_set_up_says_so(scene: Scene) -> None:
    other = assistants.resolve(reference="smith")
    with pytest.raises(InvalidRunner, match="smith"):
        runner_settings.get_runner_settings(assistant=other)
