"""`/metrics`: who reads it, what it tells, and that it sums over the processes of the server."""

import re
from typing import Any

import httpx
import pytest
from django.test import Client

from mintmark.accounts import keys
from mintmark.accounts.models import User
from tests import installations
from tests.factories.cast import Cast

pytestmark = pytest.mark.both("smoke set: what runs is told")

TOKEN = "a-token-of-the-monitoring"


def _key(cast: Cast, user: User, *scopes: str) -> str:
    return keys.issue(principal=cast.as_(user).principal, scopes=scopes).secret


@pytest.mark.django_db
def test_it_is_for_the_token_and_for_auditors(settings: Any) -> None:
    settings.METRICS_TOKEN = TOKEN
    cast = Cast()
    for secret, status in (
        (TOKEN, 200), (_key(cast, cast.auditor, "read"), 200), (_key(cast, cast.auditor, "evidence"), 401),
        (_key(cast, cast.buyer, "read", "admin"), 401), ("mm_00000000_guess", 401), ("", 401), ("ключ", 401),
    ):  # fmt: skip
        answer = Client().get("/metrics", headers={"Authorization": f"Bearer {secret}"})
        assert answer.status_code == status, secret
    assert Client().get("/metrics").status_code == 401
    settings.METRICS_TOKEN = ""
    assert Client().get("/metrics", headers={"Authorization": "Bearer "}).status_code == 401


@pytest.mark.django_db
def test_routes_are_told_by_their_patterns(settings: Any) -> None:
    settings.METRICS_TOKEN = TOKEN
    cast = Cast()
    cast.record(cast.outcome(score=0.5))
    client = Client()
    client.get("/api/v1/prompts/17?search=a-private-word")
    client.get("/nowhere/a-private-word")
    told = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).content.decode()
    assert 'route="api/v1/prompts/<int:prompt_id>",status="401"' in told
    assert re.search(r'mintmark_requests_total\{method="GET",route="none",status="404"\}', told)
    assert "mintmark_events_recorded 1.0" in told
    assert "a-private-word" not in told


def test_it_sums_over_the_processes_of_the_server(db: None) -> None:
    with (
        pytest.MonkeyPatch.context() as patch,
        installations.installation() as made,
    ):
        patch.setenv("MINTMARK_METRICS_TOKEN", TOKEN)
        with made.served(workers=2) as port:
            address, token = f"http://127.0.0.1:{port}", {"Authorization": f"Bearer {TOKEN}"}
            for _ in range(30):  # each on a connection of its own, so that both processes answer
                assert httpx.get(f"{address}/api/v1/openapi.json", timeout=60).status_code == 200
            told = [
                httpx.get(f"{address}/metrics", headers=token, timeout=60).text for _ in range(6)
            ]
    counted = r'mintmark_requests_total\{.*route="api/v1/openapi.json".*\} (\S+)'
    assert [re.findall(counted, each) for each in told] == [["30.0"]] * 6
