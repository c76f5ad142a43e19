"""Webhooks over the API: shown, enabled again, removed; what was told reads as it was sent."""

import pytest
from django.utils import timezone

from mintmark.webhooks import endpoints, outbox
from mintmark.webhooks.models import Webhook
from tests.factories.api_world import World

from .test_bad_input import problem


def test_a_webhook_is_enabled_again_once_under_one_key(world: World) -> None:
    operator, path = world.as_("operator"), f"/webhooks/{world.webhook(disabled=True)}"
    assert operator.get(path).json()["disabled_because"] == "it moved"
    first = operator.send("POST", path + "/enable", Idempotency_Key="once")
    assert (first.status_code, first.json()["disabled_at"]) == (200, None)
    operator.send("POST", path + "/disable", {"reason": "it moves again"})
    again = operator.send("POST", path + "/enable", Idempotency_Key="once")
    assert again.json() == first.json()
    assert operator.get(path).json()["disabled_because"] == "it moves again"


def test_enabling_what_is_enabled_changes_nothing(world: World) -> None:
    operator, path = world.as_("operator"), f"/webhooks/{world.webhook()}"
    before = operator.get(path).json()
    assert operator.send("POST", path + "/enable").json() == before


def test_an_address_that_is_not_called_any_more_can_t_be_enabled(world: World) -> None:
    webhook = world.webhook(disabled=True)
    Webhook.objects.filter(pk=webhook).update(url="https://10.0.0.7/hooks")
    refused = world.as_("operator").send("POST", f"/webhooks/{webhook}/enable")
    found = problem(refused, 422, "invalid_webhook")
    assert "private" in found["detail"]


def test_a_team_with_its_fill_can_t_enable_one_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook = world.webhook(disabled=True)
    world.webhook()
    monkeypatch.setattr(endpoints, "MAX_WEBHOOKS_PER_TEAM", 1)
    refused = world.as_("operator").send("POST", f"/webhooks/{webhook}/enable")
    assert "at most 1" in problem(refused, 422, "invalid_webhook")["detail"]


def test_what_was_removed_is_not_found(world: World) -> None:
    operator, path = world.as_("operator"), f"/webhooks/{world.webhook()}"
    assert operator.send("DELETE", path).status_code == 204
    for method, rest in (("GET", ""), ("DELETE", ""), ("POST", "/enable"), ("POST", "/rotate")):
        problem(operator.send(method, path + rest), 404, "not_found")
    assert operator.get("/webhooks").json()["items"] == []


def test_a_delivery_shows_what_was_told(world: World) -> None:
    webhook, now = world.webhook(), timezone.now()
    outbox.enqueue(kind="sale", team_ids=[world.mint.pk], data={"transfer": 7}, now=now)
    (row,) = world.as_("operator").get(f"/webhooks/{webhook}/deliveries").json()["items"]
    assert row["body"] == {"type": "sale", "timestamp": now.isoformat(), "data": {"transfer": 7}}
