"""Quotas of the API: counted by key, by session and by address; told on every answer; beyond them 429."""

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from mintmark.accounts import keys
from mintmark.accounts.models import Key
from mintmark.ratelimit import counters
from mintmark.ratelimit.counters import Quotas
from tests.factories.api_world import PREFIX, World

from .test_bad_input import problem

pytestmark = pytest.mark.django_db


class Clock:
    now = 1_900_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Clock:
    """Four requests a minute by key, two by address; time stands still until a test moves it."""
    clock = Clock()
    mine = Quotas(tmp_path / "quotas", clock=clock)
    monkeypatch.setattr(counters, "get_shared_quotas", lambda: mine)
    settings.API_PER_MINUTE, settings.API_ANONYMOUS_PER_MINUTE = 4, 2
    return clock


def _secret(world: World, who: str = "author") -> str:
    return keys.issue(principal=world.people[who], scopes=["read"]).secret


def _get(path: str, *, secret: str = "", **more: Any) -> HttpResponse:
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    return Client().get(PREFIX + path, headers=headers | more.pop("headers", {}), **more)


def _statuses(times: int, path: str = "/me", **more: Any) -> list[int]:
    return [_get(path, **more).status_code for _ in range(times)]


def test_a_key_asks_its_quota_and_then_waits(world: World, clock: Clock) -> None:
    secret = _secret(world)
    first = _get("/me", secret=secret)
    assert first["RateLimit-Policy"] == '"key";q=4;w=60'
    assert first["RateLimit"] == '"key";r=3;t=15'
    assert _statuses(3, secret=secret) == [200] * 3
    refused = _get("/me", secret=secret)
    told = problem(refused, 429, "too_many_requests")
    assert "This key asked 4 times within a minute" in told["detail"]
    assert refused["Retry-After"] == "15"
    assert refused["RateLimit"] == '"key";r=0;t=15'
    assert _get("/me", secret=_secret(world)).status_code == 200
    clock.now += 14
    assert _get("/me", secret=secret).status_code == 429
    clock.now += 1
    assert _statuses(2, secret=secret) == [200, 429]


def test_what_is_refused_asks_no_database(world: World, django_assert_num_queries: Any) -> None:
    secret = _secret(world)
    _statuses(4, secret=secret)
    with django_assert_num_queries(0):
        assert _statuses(3, secret=secret) == [429] * 3


def test_every_answer_says_what_is_left(world: World) -> None:
    secret = _secret(world)
    etag = _get("/me", secret=secret)["ETag"]
    answers = [
        _get("/me", secret=secret, headers={"If-None-Match": etag}),
        _get("/prompts/999999999", secret=secret),
        Client().delete(f"{PREFIX}/me", headers={"Authorization": f"Bearer {secret}"}),
        _get("/me", secret=secret),
    ]
    assert [answer.status_code for answer in answers] == [304, 404, 405, 429]
    assert [answer["RateLimit"].split(";")[1] for answer in answers] == ["r=2", "r=1", "r=0", "r=0"]


def test_a_batch_counts_as_one_request(world: World) -> None:
    event = {"kind": "outcome", "prompt": world.prompt.pk, "assistant": world.scout.pk}
    event |= {"ritual": world.ritual.pk, "score": 0.5, "runs": 1}
    events = [event | {"key": f"quota-{n}"} for n in range(100)]
    sent = world.as_("operator").send("POST", "/evidence", events)
    assert sent.json()["recorded"] == 100
    assert sent["RateLimit"] == '"key";r=3;t=15'


def test_keys_are_guessed_no_faster_than_an_address_may_ask(world: World, clock: Clock) -> None:
    asked = [_get("/me", secret=f"mm_{n:08x}_guess") for n in range(4)]
    assert [answer.status_code for answer in asked] == [401, 401, 429, 429]
    assert asked[0]["RateLimit-Policy"] == '"address";q=2;w=60'
    assert asked[0]["RateLimit"] == '"address";r=1;t=30'
    assert "this address asked 2 times" in problem(asked[2], 429, "too_many_requests")["detail"]
    # Not even a right guess is told from a wrong one now.
    assert _get("/me", secret=_secret(world)).status_code == 429
    clock.now += 30
    assert _statuses(2, secret="mm_00000000_guess") == [401, 429]


def test_without_a_key_an_address_is_counted(world: World) -> None:
    assert _statuses(3, "/openapi.json") == [200, 200, 429]
    assert _statuses(2, "/nowhere") == [429, 429]
    assert _statuses(2, "/openapi.json", REMOTE_ADDR="198.51.100.7") == [200, 200]


def test_who_was_let_in_lately_is_kept_out_by_nobody_at_the_same_address(world: World) -> None:
    secret = _secret(world)
    assert _get("/me", secret=secret).status_code == 200
    assert _statuses(3) == [401, 401, 429]
    assert _get("/me", secret=secret).status_code == 200


def test_many_keys_at_one_address_hinder_each_other_in_nothing(world: World) -> None:
    assert [_get("/me", secret=_secret(world)).status_code for _ in range(10)] == [200] * 10


def test_a_key_that_is_revoked_is_counted_as_a_guess(world: World) -> None:
    secret = _secret(world)
    assert _get("/me", secret=secret).status_code == 200
    Key.objects.filter(prefix=secret[:11]).delete()
    assert _statuses(4, secret=secret) == [401, 401, 401, 429]


def test_a_session_is_counted_by_itself_and_a_wrong_token_by_the_address(world: World) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(world.people["author"].user)
    answers = [client.get(f"{PREFIX}/me") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 4 + [429]
    assert answers[0]["RateLimit-Policy"] == '"session";q=4;w=60'
    other = Client(enforce_csrf_checks=True)
    other.force_login(world.people["author"].user)
    sent = [other.post(f"{PREFIX}/keys", b"{}", content_type="application/json") for _ in range(3)]
    assert [answer.status_code for answer in sent] == [403, 403, 429]


@pytest.mark.parametrize("trusted", [True, False])
def test_behind_a_proxy_the_address_is_that_of_the_caller_where_the_proxy_is_trusted(
    world: World, settings: Any, trusted: bool
) -> None:
    settings.TRUSTED_PROXIES = [ip_network("127.0.0.1")] if trusted else []
    seen = [
        _get("/me", headers={"X-Forwarded-For": f"203.0.113.{n}"}).status_code for n in range(4)
    ]
    assert seen == ([401] * 4 if trusted else [401, 401, 429, 429])


def test_without_quotas_nothing_is_told_and_nobody_refused(world: World, settings: Any) -> None:
    settings.API_PER_MINUTE = settings.API_ANONYMOUS_PER_MINUTE = 0
    secret = _secret(world)
    assert _statuses(20, secret=secret) == [200] * 20
    assert _statuses(20) == [401] * 20
    assert not _get("/me", secret=secret).has_header("RateLimit")


def test_a_key_without_a_quota_is_still_known(world: World, settings: Any) -> None:
    settings.API_PER_MINUTE = 0
    secret = _secret(world)
    assert _statuses(5, secret=secret) == [200] * 5
    assert _statuses(3) == [401, 401, 429]
    assert _get("/me", secret=secret).status_code == 200
