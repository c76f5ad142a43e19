"""The case of issue 16: runs on an unrelated task are not told under a prompt's home task and do not open its gate; and
MCP, the API, the page and the command tell one number."""

import json
from typing import Any

import anyio
import pytest
from click.testing import CliRunner
from django.test import Client

from mintmark.accounts import keys
from mintmark.cli.main import main
from mintmark.registry import rituals
from tests.factories.mcp_scene import Scene, over_stdio, said

pytestmark = pytest.mark.both(
    "the rows that every door reads are joined and written differently there"
)

PROMPT = "acme/sorting"


@pytest.fixture(autouse=True)
def plain_static_files(settings: Any) -> None:
    """No manifest of static files is collected for these tests."""
    backend = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = settings.STORAGES | {"staticfiles": backend}


def _converse(scene: Scene, *calls: tuple[str, dict[str, Any]]) -> list[Any]:
    """What a client of the scout is answered to these calls of tools, one after another."""

    key = scene.key(scene.scout)

    async def converse() -> list[Any]:
        async with over_stdio(key) as client:
            return [await client.call_tool(name, arguments) for name, arguments in calls]

    return anyio.run(converse)


def _report(ritual: str, score: float, runs: int, key: str) -> tuple[str, dict[str, Any]]:
    return "report_outcome", {
        "prompt": PROMPT, "ritual": ritual, "score": score, "runs": runs, "key": key, "wait_seconds": 30,
    }  # fmt: skip


def _explain(**arguments: Any) -> tuple[str, dict[str, Any]]:
    return "explain_trust", {"prompt": PROMPT, **arguments}


def test_an_assistant_is_told_of_the_task_that_it_asks_for(scene: Scene) -> None:
    rituals.register(name="desk-tickets", tag="task:desk")
    *_, first = _converse(
        scene, *(_report("triage-cases", 1.0, 40, f"a{n}") for n in range(5)), _explain()
    )
    *_, second, there, _, third = _converse(
        scene,
        *(_report("desk-tickets", 0.1, 20, f"b{n}") for n in range(3)),
        _explain(),
        _explain(ritual="desk-tickets"),
        _report("triage-cases", 0.0, 1, "c"),
        _explain(),
    )
    home, after, desk, failed = (
        answer.structured_content for answer in (first, second, there, third)
    )
    assert home["trust"] == after["trust"]
    assert home["trust"]["value"] > 0.9
    assert (after["ritual"], desk["ritual"]) == ("triage-cases@1", "desk-tickets@1")
    assert (desk["trust"]["runs"], desk["public_trust"]["runs"]) == (60.0, 0.0)
    assert desk["trust"]["value"] < 0.3
    assert after["other_tasks"] == [{"ritual": "desk-tickets@1", "trust": desk["trust"]}]
    assert desk["baseline"] < after["baseline"]
    assert "on triage-cases@1, from 200 of your own runs" in after["message"]
    assert 0.7 < failed["trust"]["value"] < home["trust"]["value"]


def test_every_door_tells_one_number_and_runs_elsewhere_open_no_gate(scene: Scene) -> None:
    cast, desk = scene.cast, rituals.register(name="desk-tickets", tag="task:desk")
    unrun = rituals.register(name="unrun-cases", tag="task:unrun")
    scene.market.set_mandate(
        caller=scene.as_(cast.buyer), assistant=scene.scout, per_purchase_micro=0, per_day_micro=0, trust_floor=0.3,
        now=scene.now,
    )  # fmt: skip
    for ritual, score in [(cast.triage, 0.05)] * 6 + [(desk, 1.0)] * 3:
        cast.record(cast.outcome(score=score, runs=40, prompt=scene.triage.pk, ritual=ritual.pk))
    api = Client(headers={
        "Authorization": f"Bearer {keys.issue(principal=scene.scout.principal, scopes=('read',)).secret}"
    })  # fmt: skip
    browser = Client()
    browser.force_login(cast.buyer)
    asked: tuple[Any, ...] = (None, desk, unrun)
    *answers, refused, unknown = _converse(
        scene,
        *(_explain(**({"ritual": ritual.name} if ritual else {})) for ritual in asked),
        ("inject_prompt", {"prompt": PROMPT, "slot": "two"}),
        _explain(ritual="no such task"),
    )
    for ritual, answer in zip(asked, answers, strict=True):
        over_mcp = answer.structured_content
        pair_path = f"/assistants/{scene.scout.pk}/trust/{scene.triage.pk}"
        query = f"?ritual={ritual.pk}" if ritual else ""
        over_api = api.get(f"/api/v1{pair_path}{query}").json()
        listed = api.get(f"/api/v1/prompts/{scene.triage.pk}/assistants{query}").json()
        page = browser.get(
            pair_path, {"scores": "public"} | ({"task": ritual.pk} if ritual else {})
        )
        command = CliRunner().invoke(
            main, ["trust", "scout", PROMPT, "--json", *(["--task", ritual.name] if ritual else [])]
        )
        by_command = json.loads(command.stdout)
        name = (ritual or cast.triage).name
        assert over_mcp["ritual"] == by_command["ritual"] == f"{name}@1"
        assert over_api["pair"]["ritual"]["name"] == listed["ritual"]["name"] == name
        shown = page.context["row"]
        assert shown.ritual.name == name
        runs = {"triage-cases": 240.0, "desk-tickets": 120.0, "unrun-cases": 0.0}[name]
        assert over_mcp["public_trust"]["runs"] == runs
        assert by_command["trust"]["runs"] == runs
        # A prediction depends on the time at which it is made.
        expected = pytest.approx(over_mcp["public_trust"]["value"], rel=1e-12 if runs else 1e-4)
        assert over_api["pair"]["trust"]["value"] == expected
        assert listed["items"][0]["trust"]["value"] == expected
        assert by_command["trust"]["value"] == expected
        assert shown.trust.value == expected
        others = [other["ritual"]["name"] for other in over_api["other_tasks"]]
        assert others == [other for other in ("triage-cases", "desk-tickets") if other != name]
        assert [other["ritual"] for other in by_command["other_tasks"]] == [
            f"{other}@1" for other in others
        ]
        text = " ".join(page.content.decode().split())
        assert all(f">{other}</a>" in text for other in others)
        assert ("never measured on this task, only on others" in text) == (not runs)
        (gate,) = (gate for gate in over_mcp["gates"] if gate["name"] == "trust")
        assert not gate["open"]
        assert "on triage-cases@1, from decisive runs alone" in gate["message"]
    assert refused.is_error
    assert "trust: the lower bound of its trust on triage-cases@1" in said(refused)
    assert unknown.is_error
    assert "no such task" in said(unknown)
    assert api.get(f"/api/v1{pair_path}?ritual=999999").status_code == 404
    assert browser.get(pair_path, {"task": "x"}).status_code == 400
