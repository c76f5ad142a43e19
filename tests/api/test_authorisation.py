"""Who may do what: one table, executed. An endpoint without a row fails the suite.

Every row is tried by everybody in the cast; beside that, each endpoint refuses whoever brings no key, a dead key, a key
without its scope, and a session without its CSRF token.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from mintmark.accounts import keys
from mintmark.accounts.models import User
from mintmark.api import door, routes

from .world import CLAUSE, PREFIX, Caller, World

assert door.api  # the endpoints are declared when the door is built

# operator and author belong to the team `mint`, as does scout; stranger (operator and author there) and outsider to the
# team `rival`; auditor and admin to no team. scout and outsider are assistants with keys of their own.
CAST = ("operator", "author", "auditor", "admin", "stranger", "scout", "outsider")


@dataclass(frozen=True)
class Row:
    """A request, and the status it gets from each of the cast, in the order of `CAST`."""

    name: str
    path: Callable[[World], str]
    statuses: tuple[int, ...]
    body: Callable[[World], Any] = lambda world: None


def read(name: str, path: Callable[[World], str]) -> Row:
    """What everybody may read who may read at all."""
    return Row(name, path, (200,) * len(CAST))


TABLE = [
    Row(
        "evidence.recorded",
        lambda w: "/evidence",
        (200, 403, 403, 200, 403, 200, 403),
        lambda w: w.event_body(),
    ),
    Row(  # a rating in one's own name is everybody's to give; an assistant speaks of itself alone
        "evidence.recorded",
        lambda w: "/evidence",
        (200, 200, 200, 200, 200, 403, 403),
        lambda w: w.event_body(kind="rating", assistant=None, ritual=None, runs=1),
    ),
    read("evidence.shown", lambda w: f"/evidence/{w.event}"),
    read("prompts.listed", lambda w: "/prompts"),
    read("prompts.named", lambda w: "/prompts/named?ref=mint/summary"),
    read("prompts.shown", lambda w: f"/prompts/{w.prompt.pk}"),
    Row(
        "prompts.text",
        lambda w: f"/prompts/{w.prompt.pk}/text",
        (200, 200, 403, 200, 403, 200, 403),
    ),
    read("prompts.text", lambda w: f"/prompts/{w.open_prompt.pk}/text"),
    Row(
        "prompts.registered",
        lambda w: "/prompts",
        (403, 201, 403, 201, 403, 403, 403),
        lambda w: {"namespace": "mint", "name": "new", "text": "A new text.", "team": "mint"},
    ),
    Row(  # in the caller's own team, as a child of a text that only its team may read
        "prompts.registered",
        lambda w: "/prompts",
        (403, 201, 403, 403, 403, 403, 403),
        lambda w: {"namespace": "other", "name": "fork", "text": "Changed.", "parent": w.prompt.pk},
    ),
    read("reputation.shown", lambda w: f"/prompts/{w.prompt.pk}/reputation"),
    read("reputation.history", lambda w: f"/prompts/{w.prompt.pk}/history"),
    read("reputation.events", lambda w: f"/prompts/{w.prompt.pk}/evidence"),
    read("reputation.lineage", lambda w: f"/prompts/{w.prompt.pk}/lineage"),
    read("reputation.standings", lambda w: "/standings"),
    read("assistants.listed", lambda w: "/assistants"),
    read("assistants.named", lambda w: "/assistants/named?ref=scout"),
    read("assistants.shown", lambda w: f"/assistants/{w.scout.pk}"),
    Row(
        "assistants.registered",
        lambda w: "/assistants",
        (201, 403, 403, 201, 403, 403, 403),
        lambda w: {"name": "new", "team": "mint"},
    ),
    read("trust.matrix", lambda w: f"/assistants/{w.scout.pk}/trust"),
    read("trust.explained", lambda w: f"/assistants/{w.scout.pk}/trust/{w.prompt.pk}"),
    read("trust.wording", lambda w: f"/assistants/{w.scout.pk}/wording"),
    read("trust.suggestions", lambda w: f"/assistants/{w.scout.pk}/suggestions"),
    read("trust.holders", lambda w: f"/prompts/{w.prompt.pk}/assistants"),
    read("trust.heat_map", lambda w: f"/rituals/{w.ritual.pk}/heat-map"),
    read("rituals.listed", lambda w: "/rituals"),
    read("rituals.named", lambda w: "/rituals/named?ref=summaries"),
    read("rituals.shown", lambda w: f"/rituals/{w.ritual.pk}"),
    Row(
        "rituals.registered",
        lambda w: "/rituals",
        (201, 403, 403, 201, 201, 403, 403),
        lambda w: {"name": "new", "tag": "task:new"},
    ),
    read("codices.listed", lambda w: "/codices"),
    read("codices.named", lambda w: "/codices/named?ref=house"),
    read("codices.shown", lambda w: f"/codices/{w.codex.pk}"),
    Row(
        "codices.registered",
        lambda w: "/codices",
        (201, 403, 403, 201, 201, 403, 403),
        lambda w: {"name": "new", "clauses": [CLAUSE]},
    ),
    read("labels.standing", lambda w: "/labels?line=mint/summary"),
    read("labels.moves", lambda w: "/labels/moves?line=mint/summary"),
    Row(
        "labels.put",
        lambda w: "/labels/mint/summary/staging",
        (200, 200, 403, 200, 403, 403, 403),
        lambda w: {"prompt": w.prompt.pk, "reason": "try it"},
    ),
    Row(
        "labels.removed",
        lambda w: "/labels/mint/summary/production",
        (204, 204, 403, 204, 403, 403, 403),
    ),
    read("keys.listed", lambda w: "/keys"),
    Row("keys.issued", lambda w: "/keys", (201,) * 7, lambda w: {"scopes": ["read"]}),
    Row(  # a key for an assistant
        "keys.issued",
        lambda w: "/keys",
        (201, 403, 403, 201, 403, 201, 403),
        lambda w: {"scopes": ["read"], "assistant": "scout"},
    ),
    Row(  # ending a key of an assistant; to others it does not exist
        "keys.revoked",
        lambda w: f"/keys/{_key_of_scout(w)}",
        (204, 404, 404, 204, 404, 204, 404),
    ),
    read("house.me", lambda w: "/me"),
    read("house.status", lambda w: "/status"),
    read("house.policies", lambda w: "/policies"),
    read("house.error", lambda w: "/errors/forbidden"),
]
# What is open to everybody, without a key.
OPEN = ("/openapi.json", "/docs")

ENDPOINTS = {endpoint.name: endpoint for endpoint in routes.ENDPOINTS}
WRITES = [row for row in TABLE if ENDPOINTS[row.name].method != "GET"]


def _key_of_scout(world: World) -> str:
    return keys.issue(principal=world.scout.principal, scopes=["read"]).key.prefix


def _id(row: Row) -> str:
    return f"{row.name}:{'-'.join(map(str, row.statuses))}"


def _tried(world: World, row: Row, caller: Caller) -> int:
    """The status of one attempt, which is undone."""
    with transaction.atomic():
        path, body = row.path(world), row.body(world)
        status = caller.send(ENDPOINTS[row.name].method, path, body).status_code
        transaction.set_rollback(True)
    return status


def test_every_endpoint_has_a_row() -> None:
    assert {row.name for row in TABLE} == ENDPOINTS.keys()


def test_no_two_endpoints_share_a_name_or_an_address() -> None:
    assert len(ENDPOINTS) == len(routes.ENDPOINTS)
    assert len({(e.method, e.path) for e in routes.ENDPOINTS}) == len(routes.ENDPOINTS)


@pytest.mark.parametrize("row", TABLE, ids=_id)
def test_each_of_the_cast_gets_what_the_table_says(world: World, row: Row) -> None:
    found = tuple(_tried(world, row, world.as_(who)) for who in CAST)
    assert dict(zip(CAST, found, strict=True)) == dict(zip(CAST, row.statuses, strict=True))


def test_without_a_live_key_there_is_nothing(world: World) -> None:
    admin, now = world.people["admin"], timezone.now()
    revoked = keys.issue(principal=admin, scopes=["admin"])
    keys.revoke(key=revoked.key, now=now)
    expired = keys.issue(principal=admin, scopes=["admin"], expires_at=now)
    for row in TABLE:
        method, path, body = ENDPOINTS[row.name].method, row.path(world), row.body(world)
        for secret in (None, revoked.secret, expired.secret, "mm_00000000_guess", "", "ключ"):
            response = Caller(secret).send(method, path, body)
            assert response.status_code == 401, (row.name, secret)
            assert response["WWW-Authenticate"].startswith("Bearer")


def test_a_key_without_the_scope_is_refused_whatever_its_holder_may(world: World) -> None:
    for row in TABLE:
        wanted = ENDPOINTS[row.name].scope
        others = tuple(scope for scope in keys.SCOPES if scope not in (wanted, "admin"))
        assert _tried(world, row, world.as_("admin", scopes=others)) == 403, row.name


@pytest.mark.parametrize("row", WRITES, ids=_id)
def test_a_session_writes_with_its_csrf_token_alone(world: World, row: Row) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.get(username="admin"))
    session = Caller(None)
    session.client = client
    with transaction.atomic():
        method, path, body = ENDPOINTS[row.name].method, row.path(world), row.body(world)
        refused = session.send(method, path, body)
        assert (refused.status_code, refused.json()["code"]) == (403, "csrf_failed")
        client.get(PREFIX + "/docs")
        token = client.cookies["csrftoken"].value
        accepted = session.send(method, path, body, X_CSRFToken=token)
        assert accepted.status_code == row.statuses[CAST.index("admin")]
        transaction.set_rollback(True)


def test_a_session_reads(world: World) -> None:
    client = Client()
    client.force_login(User.objects.get(username="operator"))
    assert client.get(PREFIX + "/me").json()["name"] == "operator"


def test_a_dead_key_is_refused_though_a_session_stands_beside_it(world: World) -> None:
    client = Client()
    client.force_login(User.objects.get(username="admin"))
    response = client.get(PREFIX + "/me", headers={"Authorization": "Bearer mm_dead"})
    assert response.status_code == 401


@pytest.mark.parametrize("path", OPEN)
def test_what_describes_the_door_is_open(db: None, path: str) -> None:
    assert Client().get(PREFIX + path).status_code == 200
