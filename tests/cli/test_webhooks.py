"""`mintmark webhook`."""

from collections.abc import Callable
from typing import Any

import pytest

from mintmark.cli import exit_codes
from mintmark.webhooks import outbox
from mintmark.webhooks.models import Delivery
from tests.cli.conftest import Call
from tests.factories.cast import NOW, Cast

pytestmark = pytest.mark.django_db


def test_a_webhook_is_made_rotated_looked_at_disabled_enabled_and_removed(
    call: Call, answer: Callable[..., Any]
) -> None:
    cast = Cast()
    made = answer("webhook", "create", "sellers", "https://example.com/x", "--kind", "sale")
    assert made["secret"].startswith("whsec_")
    assert answer("webhook", "rotate", str(made["id"]))["secret"] != made["secret"]
    outbox.enqueue(kind="sale", team_ids=[cast.sellers.pk], data={}, now=NOW)
    Delivery.objects.update(state=Delivery.State.FAILED)
    (row,) = answer("webhook", "deliveries", str(made["id"]))
    assert answer("webhook", "replay", str(made["id"]), str(row["id"]))["state"] == "waiting"
    assert "sale" in call("webhook", "deliveries", str(made["id"])).stdout
    answer("webhook", "disable", str(made["id"]), "--reason", "moved")
    assert "moved" in call("webhook", "list").stdout
    assert answer("webhook", "enable", str(made["id"]))["disabled_at"] is None
    assert answer("webhook", "remove", str(made["id"])) == {"removed": made["id"]}
    assert answer("webhook", "list") == []
    assert call("webhook", "enable", str(made["id"])).exit_code == exit_codes.BAD_INPUT


def test_what_does_not_fit_is_refused(call: Call) -> None:
    Cast()
    refused = call("webhook", "create", "sellers", "https://127.0.0.1/")
    assert (refused.exit_code, "private" in refused.stderr) == (exit_codes.BAD_INPUT, True)
    refused = call("webhook", "create", "sellers", "https://example.com/", "--kind", "gossip")
    assert (refused.exit_code, "trust.fell" in refused.stderr) == (exit_codes.BAD_INPUT, True)
    assert call("webhook", "rotate", "99").exit_code == exit_codes.BAD_INPUT
