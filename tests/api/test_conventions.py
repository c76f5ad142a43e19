"""What holds for every operation: lists are paged, reads have an ETag, refusals are problems, writes can be repeated.

That an answer one holds is not sent again, and that a refused one is a problem with a code that is documented, is tried
for each endpoint in `test_reads`, `test_bad_input` and `test_documents`.
"""

import json
from typing import Any

import pytest
from django.test import Client

from mintmark.api import app, endpoints, openapi, problems
from tests.factories.api_world import PREFIX, World

from .test_authorisation import ENDPOINTS, TABLE
from .test_bad_input import problem

SCHEMA: dict[str, Any] = json.loads(openapi.render_schema())
OPERATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    operation["operationId"]: (method, operation)
    for methods in SCHEMA["paths"].values()
    for method, operation in methods.items()
}

# Answers that hold a list of things and are not paged.
WHOLE = {
    "get_reputation": "the contributions add up to the score",
    "get_score_history": "a curve of as many points as are asked for",
    "get_lineage": "a graph of as many relatives as are asked for",
    "list_near_copies": "all of them: one that is left out would keep the prompt from the market unawares",
    "list_reporters": "the records of all teams that report, the least reliable first",
    "list_verdicts": "the newest 200 alone, with their cases",
    "explain_trust": "the newest events alone; all are in the prompt's evidence",
    "get_wording_effects": "as many as there are features of wording",
    "suggest_prompts": "as many as are asked for",
    "get_heat_map": "a map, of as many prompts as are asked for by one team's assistants",
    "rank_prompts": "as many as are asked for",
    "list_prompt_codices": "all that binds at once; what is left out would be broken unawares",
    "list_assistant_codices": "all that binds at once; what is left out would be broken unawares",
    "get_run": "one score for each frame of the run",
    "get_comparison": "at most 200 looks, and as many cases as the ritual has",
    "get_listing": "shares of one price, and at most 50 disputes",
    "get_prompt_set": "the price of a set, line by line, adds up",
    "get_purchase": "the lines of a receipt add up",
    "get_assistant_context": "what is at work now, all of it: what is left out would not be served",
    "list_gates": "one for each gate that there is",
    "get_prompt_diff": "the lines of one text",
    "get_vault": "signers and prompts of one bundle, as it was signed",
    "list_otlp_counts": "at most 500 kinds are told apart",
    "get_me": "roles of one person",
}

# Writes that take no `Idempotency-Key`, beside PUT and DELETE, which change nothing the second time.
BY_ITSELF = {
    "record_evidence": "each event has a key of its own",
    "ingest_otlp_logs": "an event is known by its trace, or its time",
    "ingest_otlp_traces": "an event is known by its trace, or its time",
    "upload_bundle": "a file is known by its bytes",
    "apply_revocation_list": "a list is known by its bytes",
}


def _refers(shape: dict[str, Any]) -> dict[str, Any]:
    """A shape, or the one that it names."""
    name = shape.get("$ref", "").rpartition("/")[2]
    return SCHEMA["components"]["schemas"][name] if name else shape


def _answer(operation: dict[str, Any]) -> dict[str, Any]:
    content = operation["responses"].get("200", {}).get("content", {})
    return _refers(content.get("application/json", {}).get("schema", {}))


def _lists(shape: dict[str, Any]) -> list[str]:
    """Members that are lists of objects."""
    return [
        name
        for name, member in shape.get("properties", {}).items()
        if member.get("type") == "array" and "$ref" in member["items"]
    ]


def test_every_list_is_paged_by_cursor_or_says_why_it_is_whole() -> None:
    paged, whole = set(), set()
    for name, (method, operation) in OPERATIONS.items():
        shape = _answer(operation)
        if method != "get" or not _lists(shape):
            continue
        taken = {parameter["name"] for parameter in operation["parameters"]}
        if {"cursor", "limit"} <= taken and "next_cursor" in shape["properties"]:
            paged.add(name)
        else:
            assert "cursor" not in taken, name
            whole.add(name)
    assert whole == WHOLE.keys()
    assert len(paged) > len(whole)


def test_every_reason_is_of_an_operation_that_there_is() -> None:
    assert OPERATIONS.keys() >= WHOLE.keys() | BY_ITSELF.keys()
    assert OPERATIONS.keys() == ENDPOINTS.keys()


def test_every_read_declares_its_etag_and_that_it_may_be_current() -> None:
    for name, (method, operation) in OPERATIONS.items():
        if method == "get":
            assert "ETag" in operation["responses"]["200"]["headers"], name
            assert "304" in operation["responses"], name
            assert "If-None-Match" in {one["name"] for one in operation["parameters"]}, name


def test_the_schema_itself_is_not_sent_again_to_who_has_it(db: None) -> None:
    first = Client().get(PREFIX + "/openapi.json")
    again = Client().get(PREFIX + "/openapi.json", headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert json.loads(first.content) == SCHEMA


def test_every_post_takes_a_key_or_changes_nothing_the_second_time() -> None:
    keyless = {
        name
        for name, (method, operation) in OPERATIONS.items()
        if method == "post"
        and "Idempotency-Key" not in {one["name"] for one in operation["parameters"]}
    }
    harmless = {
        one.operation_id
        for one in endpoints.ENDPOINTS
        if one.is_idempotent and one.method == "POST"
    }
    assert keyless == harmless | BY_ITSELF.keys()
    assert not harmless & BY_ITSELF.keys()


@pytest.mark.parametrize(
    "row",
    [
        row
        for row in TABLE
        if ENDPOINTS[row.name].is_idempotent or ENDPOINTS[row.name].method in ("PUT", "DELETE")
    ],
    ids=lambda row: row.name,
)
def test_what_takes_no_key_answers_the_second_time_as_the_first(world: World, row: Any) -> None:
    admin, endpoint = world.as_("admin"), ENDPOINTS[row.name]
    path, body = row.path(world), row.body(world)
    first, again = (admin.send(endpoint.method, path, body) for _ in range(2))
    assert first.status_code == again.status_code or again.status_code == 404
    assert again.status_code < 500


def test_what_django_refuses_is_a_problem_too(db: None) -> None:
    client = Client(raise_request_exception=False)
    problem(
        client.get(f"{PREFIX}/me", headers={"Host": "elsewhere.example"}), 422, "invalid_request"
    )
    many = "&".join(f"a{n}=1" for n in range(1_500))
    problem(client.get(f"{PREFIX}/me?{many}"), 422, "invalid_request")


def test_a_mistake_before_an_endpoint_is_reached_is_a_problem_too(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(app, "_find_malformation", broken)
    client = Client(raise_request_exception=False)
    problem(client.get(f"{PREFIX}/me"), 500, "internal_error")


def test_another_page_keeps_its_own_words(db: None) -> None:
    client = Client(raise_request_exception=False)
    refused = client.get("/sign-in", headers={"Host": "elsewhere.example"})
    assert (refused.status_code, refused["Content-Type"].partition(";")[0]) == (400, "text/html")


def test_every_code_leads_to_what_it_means(world: World) -> None:
    caller = world.as_("author")
    for code, entry in problems.CATALOGUE.items():
        told = caller.get(f"/errors/{code}").json()
        assert (told["status"], told["title"]) == (entry.status, entry.title)
