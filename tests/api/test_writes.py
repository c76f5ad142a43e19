"""Writes: what they make, and that a write sent twice is done once."""

from datetime import timedelta

import pytest
from django.utils import timezone

from mintmark.accounts import keys
from mintmark.accounts.models import Key
from mintmark.api.models import IdempotentResponse
from mintmark.evidence.models import Event
from mintmark.registry.models import Prompt
from tests.factories.api_world import Caller, World

from .test_bad_input import problem

TEXT = {"namespace": "mint", "name": "note", "text": "Take a note of {fact}."}


def test_evidence_comes_as_one_event_a_list_or_a_batch(world: World) -> None:
    caller = world.as_("operator")
    for n, body in enumerate(
        (
            world.event_body(key="one"),
            [world.event_body(key="two"), world.event_body(key="three")],
            {"events": [world.event_body(key="four")]},
        )
    ):
        receipt = caller.send("POST", "/evidence", body).json()
        assert receipt["recorded"] == (1, 2, 1)[n]
        assert receipt["repeated"] == 0
    assert set(Event.objects.filter(actor=world.people["operator"]).values_list("key", flat=True)) > {
        "one", "two", "three", "four",
    }  # fmt: skip


def test_evidence_names_things_by_id_or_by_name(world: World) -> None:
    named = world.event_body(
        prompt="mint/summary@production", assistant="scout", ritual="summaries@1", key="named"
    )
    receipt = world.as_("operator").send("POST", "/evidence", named).json()
    event = Event.objects.get(pk=receipt["event"])
    assert (event.prompt, event.assistant, event.ritual) == (
        world.prompt,
        world.scout,
        world.ritual,
    )


def test_the_same_event_under_the_same_key_is_recorded_once(world: World) -> None:
    caller, batch = world.as_("operator"), [world.event_body(occurred_at="2026-01-31T12:00:00Z")]
    first = caller.send("POST", "/evidence", batch).json()
    again = caller.send("POST", "/evidence", [*batch, world.event_body(key="other")]).json()
    assert (first["recorded"], first["repeated"]) == (1, 0)
    assert (again["recorded"], again["repeated"]) == (1, 1)


def test_the_same_event_without_a_time_is_recorded_once_as_well(world: World) -> None:
    caller = world.as_("operator")
    first, again = (caller.send("POST", "/evidence", world.event_body()).json() for _ in range(2))
    assert (first["recorded"], again["recorded"], again["repeated"]) == (1, 0, 1)
    assert again["event"] == first["event"]


def test_a_registered_text_is_found_where_the_answer_says(world: World) -> None:
    caller = world.as_("author")
    made = caller.send("POST", "/prompts", TEXT | {"tags": ["task:note"], "is_open": True})
    assert made.status_code == 201
    found = caller.get(made["Location"].removeprefix("/api/v1")).json()
    body = made.json()
    assert [one["clause"] for one in body.pop("findings")] == ["no-unfilled-variables"]
    assert found == body
    assert found["reference"] == "mint/note@1"
    assert found["variables"] == ["fact"]
    assert found["text"] == TEXT["text"]


def test_a_revision_and_a_fork_name_their_parent(world: World) -> None:
    caller = world.as_("author")
    revision = caller.send(
        "POST", "/prompts", {"namespace": "mint", "name": "summary", "text": "Sum up.", "parent": world.prompt.pk}
    ).json()  # fmt: skip
    fork = caller.send("POST", "/prompts", TEXT | {"parent": "mint/summary@1"}).json()
    assert (revision["reference"], revision["derivation"]) == ("mint/summary@2", "revision")
    assert (fork["derivation"], fork["parent"]) == ("fork", world.prompt.pk)


def test_a_text_is_shown_to_those_entitled_and_its_reputation_to_all(world: World) -> None:
    path = f"/prompts/{world.prompt.pk}"
    assert world.as_("author").get(path).json()["text"] == "Sum up {text}."
    seen = world.as_("stranger").get(path).json()
    assert seen["text"] is None
    assert seen["digest"].startswith("sha256:")
    refused = problem(world.as_("stranger").get(path + "/text"), 403, "forbidden")
    assert "mint/summary@1" in refused["detail"]


def test_a_write_under_one_idempotency_key_is_done_once_and_answered_twice(world: World) -> None:
    caller = world.as_("author")
    first = caller.send("POST", "/prompts", TEXT, Idempotency_Key="k1")
    again = caller.send("POST", "/prompts", TEXT, Idempotency_Key="k1")
    assert (again.status_code, again.content) == (201, first.content)
    assert again["Location"] == first["Location"]
    assert again["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first
    assert Prompt.objects.filter(namespace="mint", name="note").count() == 1
    other = caller.send("POST", "/prompts", TEXT, Idempotency_Key="k2").json()
    assert other["reference"] == "mint/note@2"


def test_an_idempotency_key_used_for_another_request_is_refused(world: World) -> None:
    caller = world.as_("author")
    caller.send("POST", "/prompts", TEXT, Idempotency_Key="k1")
    changed = caller.send("POST", "/prompts", TEXT | {"title": "Note"}, Idempotency_Key="k1")
    problem(changed, 409, "idempotency_key_reused")


def test_an_idempotency_key_is_its_callers_own(world: World) -> None:
    world.as_("author").send("POST", "/prompts", TEXT, Idempotency_Key="k1")
    theirs = world.as_("admin").send(
        "POST", "/prompts", TEXT | {"team": "mint"}, Idempotency_Key="k1"
    )
    assert theirs.json()["reference"] == "mint/note@2"


def test_a_refused_write_leaves_its_idempotency_key_free(world: World) -> None:
    caller = world.as_("author")
    problem(
        caller.send("POST", "/prompts", TEXT | {"text": " "}, Idempotency_Key="k1"),
        422,
        "invalid_prompt",
    )
    assert caller.send("POST", "/prompts", TEXT, Idempotency_Key="k1").status_code == 201


def test_kept_answers_go_after_a_day(world: World) -> None:
    caller = world.as_("author")
    caller.send("POST", "/prompts", TEXT, Idempotency_Key="old")
    IdempotentResponse.objects.update(created_at=timezone.now() - timedelta(hours=25))
    caller.send("POST", "/prompts", TEXT | {"name": "other"}, Idempotency_Key="new")
    assert list(IdempotentResponse.objects.values_list("key", flat=True)) == ["new"]


@pytest.mark.parametrize("key", ["", "k" * 201, "tab\tbed", "schlüssel"])
def test_an_idempotency_key_is_printable_ascii(world: World, key: str) -> None:
    response = world.as_("author").send("POST", "/prompts", TEXT, Idempotency_Key=key)
    found = problem(response, 422, "invalid_request")
    assert found["places"][0]["place"] == "header.Idempotency-Key"


def test_a_secret_is_shown_once_and_kept_nowhere(world: World) -> None:
    caller, body = world.as_("operator"), {"scopes": ["read"], "note": "for the dashboard"}
    made = caller.send("POST", "/keys", body, Idempotency_Key="k1").json()
    again = caller.send("POST", "/keys", body, Idempotency_Key="k1").json()
    assert again == made | {"secret": None}
    assert Caller(made["secret"]).get("/me").json()["scopes"] == ["read"]
    listed = caller.get("/keys")
    assert made["prefix"] in {key["prefix"] for key in listed.json()["items"]}
    secret = made["secret"].removeprefix(made["prefix"])
    assert secret not in listed.content.decode()
    assert secret.encode() not in bytes(IdempotentResponse.objects.get(key="k1").body)


def test_a_revoked_key_is_dead_at_once(world: World) -> None:
    caller = world.as_("operator")
    made = caller.send("POST", "/keys", {"scopes": ["read"]}).json()
    holder = Caller(made["secret"])
    assert holder.get("/me").status_code == 200
    for _ in range(2):  # the second time changes nothing
        assert caller.send("DELETE", f"/keys/{made['prefix']}").status_code == 204
    assert holder.get("/me").status_code == 401


def test_an_assistants_key_is_of_the_assistant(world: World) -> None:
    made = world.as_("operator").send(
        "POST", "/keys", {"scopes": ["read", "evidence"], "assistant": world.scout.pk}
    )
    me = Caller(made.json()["secret"]).get("/me").json()
    assert (me["name"], me["kind"], me["assistant"]) == ("scout", "assistant", world.scout.pk)


def test_a_key_that_ran_out_is_dead(world: World) -> None:
    key = keys.issue(
        principal=world.people["operator"],
        scopes=["read"],
        expires_at=timezone.now() + timedelta(hours=1),
    )
    assert Caller(key.secret).get("/me").status_code == 200
    Key.objects.filter(pk=key.key.pk).update(expires_at=timezone.now())
    assert Caller(key.secret).get("/me").status_code == 401


def test_a_label_moves_for_every_reader_at_once_and_leaves_a_trail(world: World) -> None:
    author, stranger = world.as_("author"), world.as_("stranger")
    author.send(
        "POST", "/prompts", {"namespace": "mint", "name": "summary", "text": "Sum it up.", "parent": world.prompt.pk}
    )  # fmt: skip
    where = "/prompts/named?ref=mint/summary@production"
    before = stranger.get(where)
    assert before.json()["reference"] == "mint/summary@1"
    moved = author.send(
        "PUT", "/labels/mint/summary/production", {"prompt": "mint/summary@2", "reason": "better"}
    )
    assert moved.json()["prompt"]["reference"] == "mint/summary@2"
    after = stranger.get(where, If_None_Match=before["ETag"])
    assert after.json()["reference"] == "mint/summary@2"
    assert author.send("DELETE", "/labels/mint/summary/production?reason=gone").status_code == 204
    problem(stranger.get(where, If_None_Match=after["ETag"]), 404, "not_found")
    problem(author.send("DELETE", "/labels/mint/summary/production"), 404, "not_found")
    trail = stranger.get("/labels/moves?line=mint/summary").json()["items"]
    assert [(move["after"] or {}).get("reference") for move in trail] == [
        None, "mint/summary@2", "mint/summary@1",
    ]  # fmt: skip
    assert [move["reason"] for move in trail] == ["gone", "better", "first"]


def test_registering_the_same_again_returns_what_is_there(world: World) -> None:
    caller = world.as_("operator")
    for path, body in (
        ("/assistants", {"name": "again"}),
        ("/rituals", {"name": "again", "tag": "task:again", "definition": {"cases": []}}),
        ("/codices", {"name": "again", "clauses": world.codex.clauses}),
    ):
        first, again = (caller.send("POST", path, body).json() for _ in range(2))
        assert first == again
