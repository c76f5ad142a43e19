"""Whatever is sent, the answer is a problem that names what is wrong; nothing is stored, and nothing fails."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mintmark.api import endpoints, pagination, problems
from tests.factories.api_world import PREFIX, Caller, World

from .test_authorisation import ENDPOINTS, TABLE, WRITES

# Whoever the table lets do it: a refusal is then the input's fault.
WITH_BODY = {row.name: row for row in WRITES if ENDPOINTS[row.name].takes_body}
READS = {row.name: row for row in TABLE if ENDPOINTS[row.name].method == "GET"}

BROKEN = {
    "nothing": b" ",
    "half an object": b'{"kind": ',
    "two values": b"{} {}",
    "not a number": b'{"score": NaN}',
    "an infinity": b'{"score": -Infinity}',
    "half a surrogate pair": b'{"name": "\\ud800"}',
    "no UTF-8": b'{"name": "\xff\xfe"}',
    "a raw control character": b'{"name": "\x00"}',
    "nested too deep": b'{"name": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    "an integer of 5,000 digits": b'{"revision": ' + b"9" * 5_000 + b"}",
}
MISSHAPEN = {
    "null": b"null",
    "a number": b"7",
    "a text": b'"text"',
    "an empty object": b"{}",
    "a list of lists": b"[[]]",
    "a member nobody declared": b'{"surprise": 1}',
    "an escaped U+0000": b'{"name": "a\\u0000b"}',
    "U+0000 in a name": b'{"na\\u0000me": 1}',
    "a number beyond float64": b'{"score": 1e400}',
    "an integer of 400 digits": b'{"prompt": ' + b"9" * 400 + b"}",
}


def problem(response: HttpResponse, status: int, code: str) -> dict[str, Any]:
    """The problem in a response, which is one of RFC 9457 with this status and code."""
    found: dict[str, Any] = json.loads(response.content)
    assert (response.status_code, found["code"]) == (status, code), found
    assert response["Content-Type"] == problems.MEDIA_TYPE
    assert found["status"] == status
    assert found["title"] == problems.CATALOGUE[code].title
    assert found["type"].endswith(code)
    assert found["detail"]
    return found


def stored() -> dict[str, int]:
    """How many rows every table holds, keys aside (the tests issue some)."""
    return {
        model._meta.label: model._default_manager.count()
        for model in apps.get_models()
        if model._meta.label != "accounts.Key"
    }


@pytest.mark.parametrize("name", WITH_BODY)
def test_broken_json_is_refused_by_name(world: World, name: str) -> None:
    row, caller = WITH_BODY[name], world.as_("admin")
    path, before = row.path(world), stored()
    for what, body in BROKEN.items():
        response = caller.send(ENDPOINTS[name].method, path, body)
        # A score that is no number is a matter of its row, for those who read rows.
        no_number = name == "record_evidence" and what in ("not a number", "an infinity")
        code = "invalid_evidence" if no_number else "invalid_json"
        problem(response, problems.CATALOGUE[code].status, code)
    assert stored() == before


@pytest.mark.parametrize("name", WITH_BODY)
def test_a_body_of_another_shape_is_refused_with_the_place(world: World, name: str) -> None:
    row, caller = WITH_BODY[name], world.as_("admin")
    path, before = row.path(world), stored()
    for body in MISSHAPEN.values():
        response = caller.send(ENDPOINTS[name].method, path, body)
        code = json.loads(response.content)["code"]
        assert code in ("invalid_request", "invalid_evidence")
        found = problem(response, 422, code)
        assert found.get("places") or found.get("rows")
    assert stored() == before


@pytest.mark.parametrize("name", WITH_BODY)
def test_a_body_that_is_not_called_json_is_refused(world: World, name: str) -> None:
    row, caller = WITH_BODY[name], world.as_("admin")
    body = json.dumps(row.body(world)).encode()
    for kind in ("text/plain", "multipart/form-data; boundary=x", "text/json", ""):
        response = caller.client.generic(
            ENDPOINTS[name].method,
            PREFIX + row.path(world),
            body,
            content_type=kind,
            headers=caller.headers,
        )
        problem(response, 415, "unsupported_media_type")


@pytest.mark.parametrize("name", WITH_BODY)
def test_a_body_that_is_too_large_is_refused(world: World, name: str, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
    row, caller = WITH_BODY[name], world.as_("admin")
    response = caller.send(ENDPOINTS[name].method, row.path(world), row.body(world))
    problem(response, 413, "body_too_large")


def test_a_parameter_that_nobody_declared_is_refused(world: World) -> None:
    caller = world.as_("admin")
    for row in READS.values():
        path = row.path(world)
        response = caller.get(path + ("&" if "?" in path else "?") + "limt=5")
        found = problem(response, 422, "invalid_request")
        assert [place["place"] for place in found["places"]] == ["query.limt"]


@pytest.mark.parametrize(
    ("given", "status"),
    [("0", 422), ("9223372036854775808", 422), ("9" * 400, 422), ("9" * 5000, 404), ("999999", 404),
     ("-1", 404), ("1.5", 404), ("x%00", 404)],
)  # fmt: skip
def test_an_id_of_nothing_leads_to_nothing(world: World, given: str, status: int) -> None:
    caller = world.as_("admin")
    by_id = {row.name: row for row in TABLE if "{int:" in ENDPOINTS[row.name].path}
    assert by_id
    for row in by_id.values():
        endpoint = ENDPOINTS[row.name]
        query = row.path(world).partition("?")[2]
        path = re.sub(r"\{int:\w+\}", given, endpoint.path) + (f"?{query}" if query else "")
        response = caller.send(endpoint.method, path, row.body(world), Idempotency_Key="new")
        problem(response, status, "not_found" if status == 404 else "invalid_request")


def test_a_limit_is_a_whole_number_within_bounds(world: World) -> None:
    caller = world.as_("admin")
    for limit in ("", "x", "1.5", "0", "201", "-1", "1e9", "9" * 400, "9" * 5000, "NaN", "%00"):
        problem(caller.get(f"/prompts?limit={limit}"), 422, "invalid_request")


@pytest.mark.parametrize(
    "path",
    ["/prompts", "/standings", "/keys", "/assistants", "/policies", "/market/listings", "/market/sets", "/purchases",
     "/purchase-requests", "/wallets/me/entries", "/market/listings?order=price", "/vaults", "/bundle-imports",
     "/vault/keys", "/vault/trusted-keys"],
)  # fmt: skip
def test_a_cursor_that_no_list_gave_is_refused(world: World, path: str) -> None:
    caller = world.as_("admin")
    for cursor in (
        "x", "e30", "WzEuNV0", "WyIxIl0", "WzEsMl0", "W3RydWVd", "WzFlOTldXQ", "ж", "W" * 400,
        pagination.encode_cursor((2**63,)), pagination.encode_cursor((float("inf"), 1)),
        pagination.encode_cursor((-(2**70), 1)),
    ):  # fmt: skip
        joined = path + ("&" if "?" in path else "?")
        problem(caller.get(f"{joined}cursor={cursor}"), 400, "invalid_cursor")


def test_another_method_is_refused_with_those_that_are_taken(world: World) -> None:
    for method in ("PATCH", "PUT", "OPTIONS", "TRACE", "DELETE", "BREW"):
        response = world.as_("admin").send(method, "/prompts")
        problem(response, 405, "method_not_allowed")
        assert set(response["Allow"].split(", ")) == {"GET", "POST"}


@pytest.mark.parametrize(
    "path", ["/", "/nothing", "/prompts/", "/prompts/1/nothing", "/prompts//1"]
)
def test_there_is_nothing_elsewhere(db: None, path: str) -> None:
    problem(Caller(None).get(path), 404, "not_found")


def test_more_parameters_than_are_read_are_refused(world: World) -> None:
    many = "&".join(f"p{n}=1" for n in range(1_500))
    for method, body in (("GET", None), ("POST", {"scopes": ["read"]})):
        response = world.as_("admin").send(method, f"/keys?{many}", body)
        problem(response, 422, "invalid_request")


def test_a_host_that_is_not_ours_is_refused_as_a_problem(world: World) -> None:
    for host in ("a b", "elsewhere.example", "localhost:port", "[::1"):
        problem(world.as_("admin").get("/prompts", Host=host), 422, "invalid_request")
    assert Client().get("/", headers={"Host": "a b"})["Content-Type"].startswith("text/html")


def test_a_body_is_refused_where_none_is_taken(world: World) -> None:
    problem(
        world.as_("admin").send("GET", "/me", b"<a/>", Content_Type="text/xml"),
        415,
        "unsupported_media_type",
    )


@pytest.mark.parametrize("name", READS)
def test_what_must_be_current_and_is_not_is_refused(world: World, name: str) -> None:
    caller, path = world.as_("admin"), READS[name].path(world)
    problem(caller.get(path, If_Match='"another"'), 412, "precondition_failed")
    current = caller.get(path)
    assert caller.get(path, If_Match=current["ETag"]).status_code == 200
    assert caller.get(path, If_Match="*").status_code == 200


# Evidence: what `trust.intake` refuses reaches the caller with the row, the field and the value.


BAD_EVIDENCE: list[tuple[dict[str, Any], str]] = [
    ({"score": 1.0001}, "score"),
    ({"score": -0.1}, "score"),
    ({"score": "0.5"}, "score"),
    ({"score": True}, "score"),
    ({"score": None}, "score"),
    ({"runs": -3}, "runs"),
    ({"runs": 0}, "runs"),
    ({"runs": 1_000_001}, "runs"),
    ({"runs": 1.5}, "runs"),
    ({"runs": 10**400}, "runs"),
    ({"kind": "rumour"}, "kind"),
    ({"prompt": 999_999}, "prompt"),
    ({"prompt": 2**63}, "prompt"),
    ({"prompt": 10**400}, "prompt"),
    ({"prompt": "mint/nothing@9"}, "prompt"),
    ({"prompt": ""}, "prompt"),
    ({"prompt": None}, "prompt"),
    ({"assistant": "nobody"}, "assistant"),
    ({"assistant": None}, "assistant"),
    ({"ritual": 999_999}, "ritual"),
    ({"ritual": None}, "ritual"),
    ({"occurred_at": "2999-01-01T00:00:00Z"}, "occurred_at"),
    ({"occurred_at": "2026-01-01T00:00:00"}, "occurred_at"),
    ({"occurred_at": "0001-01-01T00:00:00Z"}, "occurred_at"),
    ({"occurred_at": "yesterday"}, "occurred_at"),
    ({"key": ""}, "key"),
    ({"key": "k" * 201}, "key"),
    ({"key": "a\nb"}, "key"),
    ({"key": 5}, "key"),
    ({"note": "n" * 401}, "note"),
    ({"tags": "task:x"}, "tags"),
    ({"tags": ["\u202e"]}, "tags"),
    ({"tags": ["t"] * 21}, "tags"),
    ({"surprise": 1}, "surprise"),
]


def test_bad_evidence_is_refused_with_its_row_and_field(world: World) -> None:
    before, caller = stored(), world.as_("operator")
    for changes, field in BAD_EVIDENCE:
        batch = [world.event_body(key="good"), world.event_body(**changes)]
        found = problem(caller.send("POST", "/evidence", batch), 422, "invalid_evidence")
        assert {(row["row"], row["field"]) for row in found["rows"]} == {(1, field)}, changes
    assert stored() == before


def test_every_form_of_a_batch_names_its_rows(world: World) -> None:
    event, caller = world.event_body(score=7, runs=-1), world.as_("operator")
    for body in (event, [event], {"events": [event]}):
        found = problem(caller.send("POST", "/evidence", body), 422, "invalid_evidence")
        assert {(row["row"], row["field"]) for row in found["rows"]} == {(0, "score"), (0, "runs")}


def test_a_score_that_is_not_a_number_is_refused_with_its_row(world: World) -> None:
    raw = json.dumps([world.event_body(score=float("nan"))]).encode()
    found = problem(world.as_("operator").send("POST", "/evidence", raw), 422, "invalid_evidence")
    assert [(row["field"], row["value"]) for row in found["rows"]] == [("score", "nan")]


def test_an_empty_batch_and_one_of_more_than_a_thousand_are_refused(world: World) -> None:
    caller = world.as_("operator")
    problem(caller.send("POST", "/evidence", []), 422, "invalid_evidence")
    many = [world.event_body(key=f"k{n}") for n in range(1_001)]
    for body in (many, {"events": many}):
        problem(caller.send("POST", "/evidence", body), 422, "invalid_request")


def test_a_key_used_before_for_another_event_is_refused_and_the_batch_with_it(world: World) -> None:
    caller = world.as_("operator")
    assert caller.send("POST", "/evidence", world.event_body()).status_code == 200
    before = stored()
    batch = [world.event_body(key="new"), world.event_body(score=0.1)]
    found = problem(caller.send("POST", "/evidence", batch), 409, "idempotency_key_reused")
    assert [(row["row"], row["value"]) for row in found["rows"]] == [(1, "a-new-key")]
    assert stored() == before


def test_evidence_from_the_future_is_refused_beyond_five_minutes(world: World) -> None:
    caller, now = world.as_("operator"), timezone.now()
    near = world.event_body(key="near", occurred_at=(now + timedelta(minutes=4)).isoformat())
    far = world.event_body(key="far", occurred_at=(now + timedelta(minutes=6)).isoformat())
    assert caller.send("POST", "/evidence", near).status_code == 200
    problem(caller.send("POST", "/evidence", far), 422, "invalid_evidence")


# What the registry refuses.


BAD_PROMPTS: list[tuple[dict[str, Any], str]] = [
    ({"text": "x" * 1_000_000}, "text"),
    ({"text": " "}, "text"),
    ({"text": "Sum up\u200b this."}, "text"),
    ({"text": "Sum \U000e0041up."}, "text"),
    ({"namespace": "Not A Slug"}, "namespace"),
    ({"name": "n" * 201}, "name"),
    ({"name": "new\n"}, "name"),
    ({"revision": 0}, "revision"),
    ({"revision": 2**31}, "revision"),
    ({"tags": [""]}, "tags"),
]


def test_a_text_that_can_not_be_registered_is_refused_with_its_field(world: World) -> None:
    before, caller = stored(), world.as_("author")
    for changes, field in BAD_PROMPTS:
        body = {"namespace": "mint", "name": "new", "text": "A new text."} | changes
        found = problem(caller.send("POST", "/prompts", body), 422, "invalid_prompt")
        assert [row["field"] for row in found["rows"]] == [field]
    assert stored() == before


BAD_REGISTRATIONS: list[tuple[str, str, dict[str, Any], int, str]] = [
    ("author", "/prompts", {"namespace": "mint", "name": "summary", "text": "Else.", "revision": 1}, 409,
     "revision_taken"),
    ("author", "/prompts", {"namespace": "mint", "name": "n", "text": "T.", "parent": 999_999}, 404, "not_found"),
    ("author", "/prompts", {"namespace": "mint", "name": "n", "text": "T.", "parent": 2**63}, 422, "invalid_request"),
    ("author", "/prompts", {"namespace": "mint", "name": "n", "text": "T.", "forked_by": "x"}, 404, "not_found"),
    ("author", "/prompts", {"namespace": "mint", "name": "n", "text": "T.", "team": "rival"}, 403, "forbidden"),
    ("operator", "/assistants", {"name": " x "}, 422, "invalid_assistant"),
    ("operator", "/assistants", {"name": "outsider"}, 422, "invalid_assistant"),
    ("operator", "/rituals", {"name": "", "tag": "task:x"}, 422, "invalid_ritual"),
    ("operator", "/rituals", {"name": "new", "tag": ""}, 422, "invalid_ritual"),
    ("operator", "/rituals", {"name": "summaries", "tag": "task:x", "version": 1}, 422, "invalid_ritual"),
    ("operator", "/rituals", {"name": "new", "tag": "t", "version": 2**63}, 422, "invalid_request"),
    ("operator", "/rituals", {"name": "new", "tag": "t", "version": -1}, 422, "invalid_request"),
    ("operator", "/codices", {"name": "new", "clauses": []}, 422, "invalid_codex"),
    ("operator", "/codices", {"name": "new", "clauses": [{}]}, 422, "invalid_codex"),
    ("operator", "/keys", {"scopes": []}, 422, "unknown_scope"),
    ("operator", "/keys", {"scopes": ["everything"]}, 422, "unknown_scope"),
    ("operator", "/keys", {"scopes": ["read"], "assistant": "nobody"}, 404, "not_found"),
    ("operator", "/keys", {"scopes": ["read"], "expires_at": "2020-01-01T00:00:00Z"}, 422, "not_allowed"),
    ("operator", "/keys", {"scopes": ["read"], "note": "n" * 201}, 422, "invalid_request"),
]  # fmt: skip


def test_what_the_registry_refuses_is_a_problem(world: World) -> None:
    before = stored()
    for who, path, body, status, code in BAD_REGISTRATIONS:
        problem(world.as_(who).send("POST", path, body), status, code)
    assert stored() == before


BAD_MOVES: list[tuple[str, dict[str, Any], int, str]] = [
    ("/labels/mint/summary/Not-A-Label", {"prompt": "mint/summary@1"}, 422, "invalid_label"),
    ("/labels/mint/summary/staging", {"prompt": "mint/brief@1"}, 422, "invalid_label"),
    ("/labels/mint/summary/staging", {"prompt": "mint/summary@9"}, 404, "not_found"),
    ("/labels/mint/nothing/staging", {"prompt": "mint/summary@1"}, 404, "not_found"),
    ("/labels/mint/summary/x", {"prompt": "mint/summary", "reason": "r" * 401}, 422, "invalid_label"),
]  # fmt: skip


def test_a_label_that_can_not_be_moved_is_a_problem(world: World) -> None:
    before = stored()
    for path, body, status, code in BAD_MOVES:
        problem(world.as_("author").send("PUT", path, body), status, code)
    assert stored() == before


REFERENCES_TO_NOTHING = [
    "", "x", "/", "@", "mint/@", "mint/summary@0", "mint/summary@" + "9" * 30, "sha256:", "sha256:zz", "9" * 25, "-1",
    "mint/summary@nothing", "%ED%A0%80", "x" * 301,
]  # fmt: skip


@pytest.mark.parametrize("noun", ["prompts", "assistants", "rituals", "codices"])
def test_a_reference_to_nothing_finds_nothing(world: World, noun: str) -> None:
    caller = world.as_("admin")
    for ref in REFERENCES_TO_NOTHING:
        response = caller.get(f"/{noun}/named?ref={ref}")
        fits = 0 < len(ref) <= 300
        problem(response, *((404, "not_found") if fits else (422, "invalid_request")))


# Whatever else: no input makes the server fail.

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)  # fmt: skip


@pytest.mark.nightly("by day test_every_endpoint_fuzzed makes bodies up")
@pytest.mark.parametrize("name", WITH_BODY)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(data=st.data())
def test_no_body_makes_the_server_fail(world: World, name: str, data: st.DataObject) -> None:
    row = WITH_BODY[name]
    body = dict(row.body(world))
    for member in data.draw(st.sets(st.sampled_from(sorted(body)))):
        body[member] = data.draw(JSON)
    key = data.draw(st.text("abc", min_size=1, max_size=3))
    response = _caller(world).send(
        ENDPOINTS[name].method, row.path(world), body, Idempotency_Key=key
    )
    assert response.status_code < 500
    if response.status_code >= 400:
        problem(response, response.status_code, json.loads(response.content)["code"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(data=st.data())
def test_no_query_makes_the_server_fail(world: World, data: st.DataObject) -> None:
    row = READS[data.draw(st.sampled_from(sorted(READS)))]
    names = [
        "limit", "cursor", "search", "tag", "ritual", "ref", "line", "order", "is_own", "team", "licence", "price_from",
        "price_to", "trust_from", "assistant", "warranty", "state", "against", "prompt",
    ]  # fmt: skip
    query = data.draw(st.dictionaries(st.sampled_from(names), st.text(max_size=30), max_size=3))
    caller = _caller(world)
    response = caller.client.get(
        PREFIX + row.path(world).partition("?")[0], query, headers=caller.headers
    )
    assert response.status_code < 500


def test_a_mistake_of_the_server_is_a_problem_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints.responses, "dump_json", lambda *args, **kwargs: 1 / 0)
    caller = world.as_("admin")
    caller.client.raise_request_exception = False
    problem(caller.get("/me"), 500, "internal_error")


def _caller(world: World) -> Caller:
    if "admin" not in world.secrets:
        world.secrets["admin"] = world.as_("admin").headers["Authorization"].removeprefix("Bearer ")
    return Caller(world.secrets["admin"])
