"""Codices, rituals, runners, runs and memories over HTTP, with a real endpoint behind the runner."""

import random
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from mintmark.api import problems
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.projection import projector
from mintmark.rituals import comparison_worker, run_worker
from tests.factories.api_world import World
from tests.factories.ritual_scene import KEY, KEY_NAME, RITUAL
from tests.rituals import model_server

from .test_bad_input import problem

pytestmark = pytest.mark.django_db

PROMPT = {"team": "mint", "namespace": "mint", "name": "urgency", "text": "How urgent is this? {ticket}"}  # fmt: skip
MINTS_KEY = KEY_NAME.replace("BUYERS", "MINT")


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where a server speaks OpenAI's protocol, whose key `mint` holds."""
    monkeypatch.setenv(MINTS_KEY, KEY)
    with model_server.served() as (url, _):
        yield url


def worked() -> None:
    """What a worker does when it looks for a run once."""
    run_worker.process_next_run(
        worker_id="worker",
        clock=lambda: datetime.now(UTC),
        on_recorded=SymbolicPromptTokenMarketplace().decide_measured_warranties,
        rng=random.Random(1),
        stop=threading.Event(),
    )
    projector.project_pending(now=datetime.now(UTC))


def test_a_prompt_is_measured_over_http_from_its_ritual_to_its_trust(
    world: World, endpoint: str
) -> None:
    author, operator = world.as_("author"), world.as_("operator")
    prompt = author.send("POST", "/prompts", PROMPT).json()
    ritual = operator.send("POST", "/rituals/load", {"text": RITUAL}).json()
    again = operator.send("POST", "/rituals/load", {"text": RITUAL}).json()
    assert (ritual["name"], ritual["version"], again["id"]) == ("urgency", 1, ritual["id"])
    scout = f"/assistants/{world.scout.pk}"
    for key, text in (("house-style", "Answer briefly."), ("shift", "The night shift: 4711.")):
        assert operator.send("PUT", f"{scout}/memory/{key}", {"text": text}).status_code == 200
    runner = {"kind": "openai", "base_url": endpoint, "model": "perfect", "key_name": MINTS_KEY}
    assert operator.send("PUT", f"{scout}/runner", runner).json()["key_name"] == MINTS_KEY
    asked = {"ritual": ritual["id"], "prompt": prompt["id"], "assistant": "scout", "frames": 1}
    started = operator.send("POST", "/runs", asked, Idempotency_Key="one")
    same = operator.send("POST", "/runs", asked, Idempotency_Key="one")
    assert (started.status_code, same.json()) == (201, started.json())
    assert same["Idempotent-Replayed"] == "true"
    path = started["Location"].removeprefix("/api/v1")
    worked()
    run = operator.get(path).json()
    assert (run["state"], run["done"], run["cases"]) == ("done", 10, 10)
    assert [frame["number"] for frame in run["frame_scores"]] == [0, 1]
    assert all(frame["recorded"] for frame in run["frame_scores"])
    page = operator.get(f"{path}/cases?limit=3").json()
    rest = operator.get(f"{path}/cases?limit=200&cursor={page['next_cursor']}").json()
    cases = page["items"] + rest["items"]
    assert [(c["frame"], c["number"]) for c in cases] == [(f, n) for f in (0, 1) for n in range(5)]
    assert all(c["output"] and c["state"] == "done" and c["clauses"] for c in cases)
    # An operator configured the endpoint, so the run is what the team reports: it counts in the team's own view.
    found = operator.get(f"{scout}/trust/{prompt['id']}?view=mine").json()
    assert found["pair"]["trust"]["runs"] > 0
    assert {e["provenance"] for e in found["events"]} <= {"vouched", "interested", "word"}
    done = operator.send("POST", f"{path}/resume", {"cost_cap": "1"})
    problem(done, problems.CATALOGUE["invalid_run"].status, "invalid_run")


def test_a_run_is_cancelled_and_goes_on(world: World) -> None:
    operator, path = world.as_("operator"), f"/runs/{world.run()}"
    assert operator.send("POST", f"{path}/cancel").json()["state"] == "cancelled"
    assert operator.get("/runs?state=cancelled").json()["items"][0]["state"] == "cancelled"
    assert operator.get("/runs?state=done").json()["items"] == []
    resumed = operator.send("POST", f"{path}/resume", {"cost_cap": "0.25"}).json()
    assert (resumed["state"], resumed["cost_cap"]) == ("queued", "0.25")


def test_runs_outputs_memories_and_endpoints_are_their_teams_alone(
    world: World, endpoint: str
) -> None:
    operator = world.as_("operator")
    run = world.run()
    worked()
    memory = {"text": "The vault opens at nine."}
    operator.send("PUT", f"/assistants/{world.scout.pk}/memory/vault", memory)
    for who in ("stranger", "outsider", "auditor", "treasurer"):
        nosy = world.as_(who)
        assert nosy.get(f"/runs/{run}").status_code == 404
        assert nosy.get(f"/runs/{run}/cases").status_code == 404
        assert nosy.get("/runs").json()["items"] == []
        assert nosy.get(f"/assistants/{world.scout.pk}/runner").status_code == 404
        assert nosy.get(f"/assistants/{world.scout.pk}/memory").status_code == 403


def test_a_key_is_named_and_another_teams_is_refused(world: World) -> None:
    path = f"/assistants/{world.scout.pk}/runner"
    wrong = {"kind": "openai", "base_url": "ftp://x", "model": "", "key_name": "MINTMARK_RUNNER_RIVAL__K"}  # fmt: skip
    refused = problem(world.as_("operator").send("PUT", path, wrong), 422, "invalid_runner")
    assert {row["field"] for row in refused["rows"]} == {"base_url", "model", "key_name"}
    problem(
        world.as_("operator").send("PUT", path, {"kind": "transcript", "transcript": [{"case": 3}]}),
        422,
        "invalid_transcript",
    )  # fmt: skip


def test_a_ritual_is_checked_with_every_place_that_is_wrong(world: World) -> None:
    operator = world.as_("operator")
    text = "{name: x, tag: t, cases: [{assert: [{type: javascript, value: 1}]}, {weight: -1}]}"
    refused = problem(
        operator.send("POST", "/rituals/check", {"text": text}), 422, "invalid_ritual"
    )
    assert {row["field"] for row in refused["rows"]} >= {"cases.0.assert.0", "cases.1.weight"}
    problem(operator.send("POST", "/rituals/load", {"text": "a: [1"}), 422, "invalid_document")
    good = operator.send("POST", "/rituals/check", {"text": RITUAL}).json()
    assert (good["cases"], good["needs_judge"], good["known"]) == (5, False, None)
    operator.send("POST", "/rituals/load", {"text": RITUAL})
    assert operator.send("POST", "/rituals/check", {"text": RITUAL}).json()["known"]["version"] == 1
    changed = operator.send("POST", "/rituals/load", {"text": RITUAL.replace("64", "65")}).json()
    assert changed["version"] == 2
    names = operator.get("/rituals?name=urgency").json()["items"]
    assert [one["version"] for one in names] == [2, 1]


def test_a_text_is_checked_with_a_codex_or_with_clauses_to_try(world: World) -> None:
    caller = world.as_("outsider")
    hidden = {"codex": "default", "text": "Say\u200b hello."}
    told = caller.send("POST", "/codices/check", hidden).json()
    (broken,) = [one for one in told["verdicts"] if one["holds"] is False]
    assert told["blocks"]
    assert (broken["clause"], broken["span"]) == ("no-hidden-unicode", {"start": 3, "end": 4})
    assert "\u200b" not in broken["excerpt"]
    clause = {
        "id": "no-hello", "text": "It says no hello.", "severity": "warn", "applies_to": "output",
        "check": {"kind": "not-contains", "value": "hello"},
    }  # fmt: skip
    to_try = {"clauses": [clause], "text": "Say hello.", "applies_to": "output"}
    told = caller.send("POST", "/codices/check", to_try).json()
    assert (told["blocks"], [one["holds"] for one in told["verdicts"]]) == (False, [False])
    problem(
        caller.send("POST", "/codices/check", {"clauses": [{}], "text": "x"}), 422, "invalid_codex"
    )
    problem(caller.send("POST", "/codices/check", {"text": "x"}), 422, "invalid_request")


def test_a_contract_binds_stands_in_the_way_and_ends(world: World) -> None:
    author, operator = world.as_("author"), world.as_("operator")
    rule = {
        "id": "no-sum", "text": "It says nothing of sums.", "severity": "block", "applies_to": "prompt",
        "check": {"kind": "not-contains", "value": "Sum"},
    }  # fmt: skip
    made = operator.send("POST", "/codices", {"name": "strict", "clauses": [rule]}).json()
    path = f"/prompts/{world.prompt.pk}/codices"
    bound = author.send("POST", path, {"codex": "strict"}).json()["items"]
    assert [(one["name"], one["by"]) for one in bound] == [
        ("default", "default"), ("strict", "contract")
    ]  # fmt: skip
    assert author.send("POST", path, {"codex": made["id"]}).json()["items"] == bound
    gates = operator.get(f"/prompts/{world.prompt.pk}/gates?assistant=scout").json()["items"]
    contract = next(gate for gate in gates if gate["name"] == "contract")
    assert not contract["open"]
    (verdict,) = [one for one in contract["verdicts"] if one["codex"] == "strict@1"]
    assert (verdict["holds"], verdict["excerpt"]) == (False, "Sum up {text}.")
    assert author.send("DELETE", f"{path}/{made['id']}").status_code == 204
    assert len(author.get(path).json()["items"]) == 1
    assistant = f"/assistants/{world.scout.pk}/codices"
    assert len(operator.send("POST", assistant, {"codex": "strict"}).json()["items"]) == 2
    assert operator.send("DELETE", f"{assistant}/{made['id']}").status_code == 204


def test_memories_are_kept_replaced_listed_and_forgotten(world: World) -> None:
    operator, path = world.as_("operator"), f"/assistants/{world.scout.pk}/memory"
    for key, text in (("b", "one"), ("a", "two"), ("b", "three")):
        assert operator.send("PUT", f"{path}/{key}", {"text": text}).json()["text"] == text
    first = operator.get(f"{path}?limit=1").json()
    second = operator.get(f"{path}?limit=1&cursor={first['next_cursor']}").json()
    assert [first["items"][0]["text"], second["items"][0]["text"]] == ["two", "three"]
    assert second["next_cursor"] is None
    assert operator.send("DELETE", f"{path}/a").status_code == 204
    assert [one["key"] for one in operator.get(path).json()["items"]] == ["b"]
    problem(operator.send("PUT", f"{path}/b", {"text": "  "}), 422, "invalid_memory")
    problem(operator.send("PUT", f"{path}/%20b", {"text": "x"}), 422, "invalid_memory")


def test_two_prompts_are_compared_over_http(world: World, endpoint: str) -> None:
    operator = world.as_("operator")
    runner = {"kind": "openai", "base_url": endpoint, "model": "attentive", "key_name": MINTS_KEY}
    operator.send("POST", "/rituals/load", {"text": RITUAL})
    scout = f"/assistants/{world.scout.pk}"
    for key in ("house-style", "shift"):
        operator.send("PUT", f"{scout}/memory/{key}", {"text": "Answer briefly."})
    operator.send("PUT", f"{scout}/runner", runner)
    careful, plain = (
        world.as_("author").send("POST", "/prompts", PROMPT | {"name": name, "text": text}).json()
        for name, text in (
            ("careful", "Say carefully how urgent this is: {ticket}"),
            ("plain", "How urgent is this? {ticket}"),
        )
    )
    asked = {
        "ritual": "urgency@1",
        "first": careful["id"],
        "second": plain["reference"],
        "assistant": "scout",
        "most_pairs": 200,
    }
    started = operator.send("POST", "/comparisons", asked, Idempotency_Key="one")
    same = operator.send("POST", "/comparisons", asked, Idempotency_Key="one")
    assert (started.status_code, same["Idempotent-Replayed"]) == (201, "true")
    assert (started.json()["state"], started.json()["looks"]) == ("queued", [])
    other = operator.send("POST", "/comparisons", asked | {"seed": 2}, Idempotency_Key="one")
    problem(other, 409, "idempotency_key_reused")
    path = started["Location"].removeprefix("/api/v1")
    comparison_worker.process_next_comparison(
        worker_id="worker",
        clock=lambda: datetime.now(UTC),
        rng=random.Random(1),
        stop=threading.Event(),
    )
    told = operator.get(path).json()
    assert (told["state"], told["decision"]) == ("done", "first")
    assert 0.0 < told["low"] <= told["mean"] <= told["high"]
    assert told["looks"][-1] == {name: told[name] for name in ("pairs", "mean", "low", "high")}
    assert sum(case["pairs"] for case in told["cases"]) == told["pairs"] == told["drawn"]
    (listed,) = operator.get("/comparisons?decision=first").json()["items"]
    assert listed == {name: told[name] for name in listed}
    assert operator.get("/comparisons?decision=open").json()["items"] == []
    for who in ("stranger", "outsider", "auditor"):
        assert world.as_(who).get(path).status_code == 404
        assert world.as_(who).get("/comparisons").json()["items"] == []


def test_a_comparison_is_stopped_and_goes_on(world: World) -> None:
    operator, path = world.as_("operator"), f"/comparisons/{world.comparison()}"
    assert operator.send("POST", f"{path}/stop").json()["state"] == "cancelled"
    further = {"most_pairs": 2_000, "cost_cap": "0.25"}
    resumed = operator.send("POST", f"{path}/resume", further).json()
    assert (resumed["state"], resumed["most_pairs"], resumed["cost_cap"]) == (
        "queued",
        2_000,
        "0.25",
    )
    same = dict.fromkeys(("first", "second"), world.prompt.pk)
    same |= {"ritual": world.runnable().pk, "assistant": world.scout.pk}
    refused = operator.send("POST", "/comparisons", same, Idempotency_Key="x")
    problem(refused, 422, "invalid_comparison")
