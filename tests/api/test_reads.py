"""Reads: pages without gaps, ETags, and scores that say how current they are."""

import re
from typing import Any

import pytest
from django.test import Client

from mintmark.api import endpoints
from mintmark.projection import projector
from mintmark.registry import prompts
from mintmark.signing import dsse
from tests.bundles import payloads
from tests.factories.api_world import PREFIX, World, from_elsewhere

from .test_authorisation import ENDPOINTS, TABLE

pytestmark = pytest.mark.both("smoke set: every endpoint")

SCORES = [
    name
    for name, endpoint in ENDPOINTS.items()
    if endpoint.method == "GET"
    and re.match(r"(reputation|trust|ranking|listings|foresight)\.|injections\.gates", name)
]


def test_an_answer_the_caller_holds_is_not_sent_again(world: World) -> None:
    caller = world.as_("admin")
    for row in TABLE:
        if ENDPOINTS[row.name].method != "GET":
            continue
        path = row.path(world)
        first = caller.get(path)
        again = caller.get(path, If_None_Match=f'"other", W/{first["ETag"]}')
        assert (again.status_code, again.getvalue()) == (304, b""), path
        assert again["ETag"] == first["ETag"]
        assert caller.get(path, If_None_Match='"other"').getvalue() == first.getvalue()
        if ENDPOINTS[row.name].scope:
            assert first["Cache-Control"] == "private, no-cache"
            assert {"Authorization", "Cookie"} <= set(first["Vary"].split(", "))


def test_a_head_is_a_read_without_its_body(world: World) -> None:
    caller = world.as_("operator")
    read, head = caller.get("/me"), caller.send("HEAD", "/me")
    assert (head.status_code, head.content) == (200, b"")
    for name in ("ETag", "Content-Type", "Content-Length"):
        assert head[name] == read[name]
    elsewhere = caller.send("HEAD", "/keys/mm_0")
    assert (elsewhere.status_code, elsewhere.content) == (405, b"")


def _pages(world: World, path: str, items: str = "items") -> list[list[Any]]:
    caller, pages, cursor = world.as_("admin"), [], None
    while True:
        joined = path + ("&" if "?" in path else "?")
        page = caller.get(joined + "limit=2" + (f"&cursor={cursor}" if cursor else "")).json()
        pages.append(page[items])
        cursor = page["next_cursor"]
        if cursor is None:
            return pages
        assert len(page[items]) == 2


@pytest.mark.parametrize(
    "path",
    ["/prompts", "/standings", "/assistants", "/rituals", "/codices", "/keys", "/policies",
     "/labels/moves?line=mint/summary", "/prompts/{prompt}/evidence", "/assistants/{scout}/trust", "/vaults",
     "/bundle-imports", "/vault/keys", "/vault/trusted-keys", "/labels?line=mint/summary"],
)  # fmt: skip
def test_pages_show_every_entry_once(folded_world: World, path: str) -> None:
    world = folded_world
    operator = world.as_("admin")
    for n in range(5):
        operator.send("POST", "/assistants", {"name": f"a{n}", "team": "mint"})
        operator.send("POST", "/rituals", {"name": f"r{n}", "tag": "task:r"})
        operator.send("POST", "/codices", {"name": f"c{n}", "clauses": world.codex.clauses})
        operator.send("POST", "/keys", {"scopes": ["read"]})
        body = {"namespace": "mint", "name": f"p{n}", "text": f"Text {n}.", "team": "mint"}
        made = operator.send("POST", "/prompts", body).json()
        operator.send(
            "POST", "/evidence?wait=true", world.event_body(prompt=made["id"], key=f"e{n}")
        )
        operator.send("POST", "/evidence?wait=true", world.event_body(key=f"f{n}"))
        operator.send(
            "PUT", f"/labels/mint/summary/stage-{n}", {"prompt": world.prompt.pk, "reason": str(n)}
        )
        operator.send("POST", "/vaults", {"prompts": [made["id"]], "team": "mint"})
        operator.send("POST", "/vault/keys", {"team": "mint"})
        key = {"key": dsse.get_key_id(payloads.key(f"k{n}")), "name": f"k{n}", "reason": "known"}
        operator.send("POST", "/vault/trusted-keys", key)
        operator.send("POST", "/bundle-imports?team=mint", from_elsewhere(f"acme/m{n}@1"))
    path = path.format(prompt=world.prompt.pk, scout=world.scout.pk)
    pages = _pages(world, path)
    entries = [str(entry) for page in pages for entry in page]
    assert len(entries) == len(set(entries))
    joined = path + ("&" if "?" in path else "?")
    whole = [str(e) for e in world.as_("admin").get(joined + "limit=200").json()["items"]]
    if path != "/keys":  # each caller here has a key of its own
        assert entries == whole
    assert len(entries) >= 5 or path == "/policies"


@pytest.mark.parametrize("path", ["/prompts/{prompt}/assistants", "/prompts/{fork}/gains"])
def test_pages_of_a_list_that_is_reckoned_show_every_entry_once(
    folded_world: World, path: str
) -> None:
    world, operator = folded_world, folded_world.as_("admin")
    for n in range(5):
        operator.send("POST", "/assistants", {"name": f"a{n}", "team": "mint"})
        for prompt, score in ((world.prompt, n / 5), (world.fork, 0.5)):
            event = world.event_body(
                prompt=prompt.pk, assistant=f"a{n}", score=score, runs=50, key=f"{prompt.pk} {n}"
            )
            operator.send("POST", "/evidence?wait=true", event)
    path = path.format(prompt=world.prompt.pk, fork=world.fork.pk)
    entries = [entry["assistant"]["name"] for page in _pages(world, path) for entry in page]
    whole = operator.get(path + "?limit=200").json()["items"]
    assert entries == [entry["assistant"]["name"] for entry in whole]
    assert {f"a{n}" for n in range(5)} <= set(entries)
    assert len(entries) == len(set(entries))


def test_pages_of_what_is_owed_abroad_show_every_debt_once(world: World) -> None:
    for n in range(5):
        world.owed(name=f"Ann {n}", key=f"owed {n}")
    entries = [debt["holder"] for page in _pages(world, "/royalties/foreign") for debt in page]
    assert entries == [f"Ann {n}" for n in range(5)]


def test_prompts_are_found_by_part_of_a_name_and_by_tag(world: World) -> None:
    caller = world.as_("stranger")

    def found(query: str) -> set[str]:
        return {row["reference"] for row in caller.get("/prompts?" + query).json()["items"]}

    assert found("search=SUMM") == {"mint/summary@1"}
    assert found("tag=@clarity%2B") == {"mint/summary@1"}
    assert found("search=nothing") == set()
    assert found("") == {"mint/summary@1", "mint/brief@1", "mint/open@1"}


def test_a_list_never_shows_a_text(world: World) -> None:
    answer = world.as_("author").get("/prompts").content.decode()
    assert "Sum up" not in answer


@pytest.mark.parametrize("name", SCORES)
def test_every_score_says_as_of_which_event_and_under_which_policy(
    folded_world: World, name: str
) -> None:
    row = next(row for row in TABLE if row.name == name)
    answer = folded_world.as_("admin").get(row.path(folded_world)).json()
    assert answer["as_of"] == folded_world.event
    assert answer["policy"] == projector.get_checkpoint().policy_id


def test_an_outcome_shows_in_the_reputation_and_its_contributions_add_up(
    folded_world: World,
) -> None:
    world, caller = folded_world, folded_world.as_("operator")
    path = f"/prompts/{world.prompt.pk}/reputation"
    before = caller.get(path).json()
    sent = caller.send("POST", "/evidence?wait=true", world.event_body(score=0.0, runs=50)).json()
    assert sent["projected"]
    after = caller.get(path).json()
    assert after["trust"]["value"] < before["trust"]["value"]
    assert after["as_of"] == sent["event"]
    amounts = [term["amount"] for term in after["contributions"]]
    assert sum(amounts) == pytest.approx(after["trust"]["value"], abs=1e-12)
    event = caller.get(f"/evidence/{sent['event']}").json()
    assert event["score"] == 0.0
    assert event["effect"] < 0 < event["expected"]


def test_status_says_how_far_the_fold_is(folded_world: World) -> None:
    status = folded_world.as_("auditor").get("/status").json()
    assert (status["as_of"], status["lag"]) == (folded_world.event, 0)
    assert status["recorded"] == status["projected"] == 3


def test_a_name_of_digits_alone_is_refused_since_it_would_look_like_an_id(world: World) -> None:
    answer = world.as_("operator").send("POST", "/assistants", {"name": str(world.scout.pk)})
    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid_assistant"
    assert "id" in answer.json()["detail"]


def test_a_label_reaches_a_prompt_whose_name_holds_a_slash(world: World) -> None:
    prompts.register(
        draft=prompts.PromptDraft(namespace="mint", name="a/b", text="Text."),
        author=world.people["author"],
        team=world.mint,
    )
    caller = world.as_("author")
    put = caller.send("PUT", "/labels/mint/a/b/live", {"prompt": "mint/a/b@1"})
    assert put.status_code == 200
    assert caller.get("/prompts/named?ref=mint/a/b@live").json()["reference"] == "mint/a/b@1"


def test_the_type_of_every_problem_leads_to_its_meaning(world: World) -> None:
    caller = world.as_("operator")
    problem = caller.get("/prompts/999999").json()
    meaning = caller.get(problem["type"].removeprefix(PREFIX)).json()
    assert meaning == {"code": "not_found", "status": 404, "title": problem["title"]}


def test_an_endpoint_declares_a_scope_and_a_description() -> None:
    from mintmark.api import app

    for path, methods in app.api.get_openapi_schema()["paths"].items():
        for method, operation in methods.items():
            assert operation["x-scope"], (method, path)
            assert operation["summary"], (method, path)
            if operation["x-scope"] == "none":  # open to everybody
                assert "security" not in operation, (method, path)
            else:
                assert operation["security"] == [{"BearerKey": []}, {"Session": []}]
    assert endpoints.ENDPOINTS


def test_the_schema_is_served(db: None) -> None:
    assert Client().get(PREFIX + "/openapi.json").json()["openapi"].startswith("3.1")
