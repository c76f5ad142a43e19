"""What pages show and change beside the nouns with tests of their own: the default codex, what binds, what was sold."""

import pytest

from mintmark.registry import codices, contracts, entitlements
from mintmark.vault.models import RevocationList
from tests.factories.api_world import CLAUSE, World, withdrawals

from .test_bad_input import problem


def test_the_default_codex_is_changed_once_however_often_it_is_sent(world: World) -> None:
    admin, body = world.as_("admin"), {"clauses": [CLAUSE], "description": "How we talk."}
    before = admin.get("/codices/default").json()
    first, again = (admin.send("PUT", "/codices/default", body).json() for _ in range(2))
    assert first == again == admin.get("/codices/default").json()
    assert (first["version"], first["name"]) == (before["version"] + 1, "default")
    assert codices.get_default().pk == first["id"]


@pytest.mark.parametrize("clauses", [[], [{"id": "x"}], [CLAUSE | {"severity": "shout"}]])
def test_a_default_codex_that_is_none_is_refused_and_the_old_one_binds_on(
    world: World, clauses: list[object]
) -> None:
    before = codices.get_default()
    answer = world.as_("admin").send("PUT", "/codices/default", {"clauses": clauses})
    problem(answer, 422, "invalid_codex")
    assert codices.get_default() == before


def test_a_codex_names_what_it_binds_page_by_page(world: World) -> None:
    reader, codex = world.as_("stranger"), world.codex
    codices.bind_assistant(assistant=world.scout, codex=codex)
    for prompt in (world.prompt, world.fork, world.open_prompt):
        contracts.bind(caller=world.acting("author"), prompt=prompt, codex=codex)
    first = reader.get(f"/codices/{codex.pk}/prompts?limit=2").json()
    last = reader.get(f"/codices/{codex.pk}/prompts?cursor={first['next_cursor']}").json()
    found = [one["id"] for one in first["items"] + last["items"]]
    assert found == [world.open_prompt.pk, world.fork.pk, world.prompt.pk]
    assert last["next_cursor"] is None
    (bound,) = reader.get(f"/codices/{codex.pk}/assistants").json()["items"]
    assert bound == {"id": world.scout.pk, "name": "scout"}
    problem(reader.get("/codices/999999/prompts"), 404, "not_found")


def test_one_s_teams_see_what_they_may_use_and_nobody_else_s(world: World) -> None:
    stranger = world.as_("stranger")
    (held,) = stranger.get("/entitlements").json()["items"]
    assert (held["prompt"]["id"], held["team"]) == (world.open_prompt.pk, "rival")
    assert world.as_("operator").get("/entitlements").json()["items"] == []
    entitlements.end_grant(
        entitlement=world.entitlement, reason="over", now=world.entitlement.granted_at
    )
    assert stranger.get("/entitlements").json()["items"] == []


def test_a_seller_sees_what_was_sold_and_what_may_go_back(world: World) -> None:
    world.bought()
    rows = {one["listing"]: one for one in world.as_("author").get("/market/sales").json()["items"]}
    fork, prompt = rows[world.listing_of_fork.pk], rows[world.listing.pk]
    assert (fork["sold"], fork["paid"], fork["waiting"], fork["refunded"]) == (1, "4", "0", "0")
    assert (prompt["sold"], prompt["paid"]) == (0, "0")
    assert world.as_("stranger").get("/market/sales").json()["items"] == []


def test_a_withdrawal_list_that_was_taken_in_is_listed(world: World) -> None:
    world.as_("admin").send("POST", "/vault/revocation-list", withdrawals())
    (row,) = world.as_("author").get("/vault/revocation-list/taken").json()["items"]
    taken = RevocationList.objects.get()
    assert (row["issuer"], row["sequence"]) == (taken.issuer, 1)
    assert row["brought_by"] == "admin"
