"""`mintmark ritual` and `mintmark import promptfoo`, called as a shell calls them."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mintmark.accounts.models import Membership, Role
from mintmark.cli import exit_codes
from mintmark.cli.main import main
from mintmark.evidence.models import Event
from mintmark.registry.models import Ritual
from mintmark.rituals.models import RitualRun
from tests import oversize_inputs
from tests.factories.ritual_scene import KEY, KEY_NAME, RITUAL, Scene

from .model_server import Model

pytestmark = pytest.mark.django_db


def call(*arguments: str) -> Result:
    result = CliRunner().invoke(main, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def answer(*arguments: str, code: int = 0) -> Any:
    result = call(*arguments, "--json")
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


@pytest.fixture(autouse=True)
def acting_now(scene: Scene) -> None:
    scene.cast.now = datetime.now(UTC)


def _runner(scene: Scene, model: str = "perfect", **more: str) -> Any:
    options = {
        "--kind": "openai",
        "--base-url": scene.url,
        "--model": model,
        "--key-name": KEY_NAME,
        "--timeout": "1",
        "--attempts": "2",
    } | more
    return answer("ritual", "runner", "scout", *[part for pair in options.items() for part in pair])


def test_a_ritual_is_loaded_run_and_looked_at(scene: Scene, tmp_path: Path, model: Model) -> None:
    file = tmp_path / "urgency.yaml"
    file.write_text(RITUAL)
    assert answer("ritual", "load", str(file))["created"] is False
    file.write_text(RITUAL.replace("max_tokens: 64", "max_tokens: 65"))
    made = answer("ritual", "load", str(file))
    assert (made["ritual"], made["cases"], made["created"]) == ("urgency@2", 5, True)
    assert _runner(scene)["key_name"] == KEY_NAME
    ran = answer(
        "ritual", "run", "urgency", "--prompt", "acme/triage", "--assistant", "scout",
        "--frames", "1", "--by", "buyer",
    )  # fmt: skip
    assert (ran["state"], ran["done"], ran["cases"], ran["score"]) == ("done", 10, 10, 1.0)
    assert [frame["recorded"].split()[1] for frame in ran["evidence"]] == ["events", "events"]
    assert Event.objects.filter(kind=0).get().actor.name == "buyer"
    assert answer("ritual", "status", str(ran["run"])) == ran
    assert [one["run"] for one in answer("ritual", "status")] == [ran["run"]]
    listed = {one["ritual"]: one for one in answer("ritual", "list")}
    assert (listed["urgency@2"]["runs"], listed["triage-cases@1"]["cases"]) == (1, 0)
    text = call("ritual", "status", str(ran["run"])).stdout
    assert "done" in text
    assert KEY not in text
    assert "urgency@2" in call("ritual", "list").stdout
    assert "acme/triage@1" in call("ritual", "status").stdout


def test_a_run_is_queued_cancelled_and_resumed(scene: Scene) -> None:
    _runner(scene)
    options = ("--prompt", "acme/triage", "--assistant", "scout", "--queue", "--key", "k")
    queued = answer("ritual", "run", "urgency", *options)
    assert queued["state"] == "queued"
    assert answer("ritual", "run", "urgency", *options)["run"] == queued["run"]
    number = str(queued["run"])
    assert answer("ritual", "cancel", number)["state"] == "cancelled"
    assert answer("ritual", "resume", number, "--queue")["state"] == "queued"
    scene.worked()
    assert answer("ritual", "status", number)["state"] == "done"
    refused = answer("ritual", "resume", number, code=exit_codes.BAD_INPUT)
    assert refused["error"]["code"] == "invalid_run"


def test_a_run_that_ends_incomplete_is_a_problem(scene: Scene) -> None:
    _runner(scene, "down", **{"--attempts": "1"})
    ran = answer(
        "ritual", "run", "urgency", "--prompt", "acme/triage", "--assistant", "scout",
        code=exit_codes.PROBLEM,
    )  # fmt: skip
    assert (ran["state"], ran["failed"]) == ("incomplete", 5)
    assert "500" in call("ritual", "status", str(ran["run"])).stdout


def test_a_cost_cap_is_an_amount(scene: Scene) -> None:
    _runner(scene, **{"--price-in": "0.15", "--price-out": "0.6", "--cost-cap": "0.05"})
    ran = answer(
        "ritual", "run", "urgency", "--prompt", "acme/triage", "--assistant", "scout",
        "--cost-cap", "0.00001", code=exit_codes.PROBLEM,
    )  # fmt: skip
    assert ran["cost_cap_micro"] == 10
    assert "cost cap" in ran["reason"]
    again = answer(
        "ritual", "resume", str(ran["run"]), "--cost-cap", "0.05", code=exit_codes.PROBLEM
    )
    assert again["cost_cap_micro"] == 50_000


def test_a_transcript_and_a_rehearsal_need_no_endpoint(scene: Scene, tmp_path: Path) -> None:
    told = tmp_path / "told.yaml"
    told.write_text("- {case: outage, output: Urgent}\n")
    made = answer(
        "ritual", "runner", "scout", "--kind", "transcript", "--transcript", str(told)
    )  # fmt: skip
    assert made["kind"] == "transcript"
    assert "no language model" in call("ritual", "runner", "scout", "--kind", "rehearsal").stdout


def test_who_may_not_is_refused(scene: Scene) -> None:
    _runner(scene)
    Membership.objects.filter(user=scene.cast.buyer, role=Role.OPERATOR).delete()
    refused = call(
        "ritual", "run", "urgency", "--prompt", "acme/triage", "--assistant", "scout",
        "--by", "buyer",
    )  # fmt: skip
    assert refused.exit_code == exit_codes.BAD_INPUT
    assert "operator" in refused.stderr
    assert not RitualRun.objects.exists()
    assert call("ritual", "status", "99").exit_code == exit_codes.BAD_INPUT


def test_a_file_that_is_no_ritual_is_refused_with_the_place(scene: Scene, tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text("name: x\ntag: t\ncases: [{assert: [{type: javascript, value: 1}]}]")
    refused = answer("ritual", "load", str(file), code=exit_codes.BAD_INPUT)
    assert refused["error"]["rows"][0]["field"] == "cases.0.assert.0"
    assert call("ritual", "load", str(tmp_path / "nothing")).exit_code == exit_codes.BAD_INPUT
    file.write_text("a: &a [*a]")
    assert call("ritual", "load", str(file)).exit_code == exit_codes.BAD_INPUT
    for bomb in oversize_inputs.YAML.values():
        file.write_text(bomb)
        refused = call("ritual", "load", str(file))
        assert refused.exit_code == exit_codes.BAD_INPUT
        assert "aliases written out" in refused.stderr
    file.write_text(json.dumps({"name": "x", "tag": "t", "cases": [{}] * 100_000}))
    refused = answer("ritual", "load", str(file), code=exit_codes.BAD_INPUT)
    assert refused["error"]["rows"][0]["field"] == "cases"


def test_promptfoos_tests_are_imported_by_the_command(tmp_path: Path, scene: Scene) -> None:
    file = tmp_path / "promptfooconfig.yaml"
    file.write_text("tests: [{vars: {a: b}, assert: [{type: contains, value: c}]}]")
    tried = answer("import", "promptfoo", str(file), "--name", "from there", "--dry-run")
    assert tried["changed"] is True
    assert not Ritual.objects.filter(name="from there").exists()
    done = answer("import", "promptfoo", str(file), "--name", "from there", "--tag", "task:x")
    assert done["read"] == {"tests": 1}
    assert Ritual.objects.get(name="from there").tag == "task:x"
    assert "registered" in call("import", "promptfoo", str(file), "--name", "another").stdout


def test_two_prompts_are_compared_watched_stopped_and_gone_on_with(scene: Scene) -> None:
    _runner(scene, "attentive")
    careful = scene.prompt_of("Say carefully how urgent this is: {ticket}").reference
    two = ["--first", careful, "--second", scene.cast.prompt.reference, "--assistant", "scout"]
    told = answer("compare", "start", "urgency", *two)
    assert (told["state"], told["decision"]) == ("done", "first")
    assert told["low"] > 0.0
    shown = call("compare", "show", str(told["comparison"])).output
    assert f"{careful} is better, after {told['pairs']} pairs." in shown
    queued = answer("compare", "start", "urgency", *two, "--most", "7", "--queue")
    assert (queued["state"], queued["pairs"]) == ("queued", 0)
    number = str(queued["comparison"])
    assert answer("compare", "stop", number)["state"] == "cancelled"
    assert answer("compare", "resume", number)["pairs"] == 7
    assert answer("compare", "list", "--limit", "1")[0]["comparison"] == queued["comparison"]
    refused = call("compare", "show", "4711")
    assert refused.exit_code == exit_codes.BAD_INPUT
    assert "no comparison 4711" in refused.output
