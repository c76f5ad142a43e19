"""What webhooks are told: each kind is written with what it tells, to the teams it concerns, and without a text."""

from datetime import timedelta
from typing import Any

import pytest

from mintmark.deployments.models import Mandate
from mintmark.market.listings import WarrantyTerms
from mintmark.projection.pair_models import AssistantPromptTaskTrust
from mintmark.registry import entitlements, labels
from mintmark.registry.models import Entitlement
from mintmark.webhooks import endpoints, outbox
from mintmark.webhooks.models import Delivery
from tests.factories.cast import NOW
from tests.factories.market_fixture import SECRET, Stall

pytestmark = pytest.mark.django_db


@pytest.fixture
def hooked(stall: Stall) -> Stall:
    """Both teams are told of everything."""
    for user in (stall.cast.seller, stall.cast.buyer):
        caller = stall.cast.as_(user)
        assert caller.principal.team is not None
        endpoints.create(
            caller=caller, team=caller.principal.team, url="https://example.com/hooks", kinds=[], note="", now=NOW
        )  # fmt: skip
    return stall


def told() -> list[tuple[str, str, dict[str, Any]]]:
    rows = Delivery.objects.select_related("webhook__team").order_by("id")
    assert not any(SECRET in str(row.body) for row in rows)
    return [(row.kind, row.webhook.team.name, row.body["data"]) for row in rows]


def test_a_sale_is_told_to_the_seller_once(hooked: Stall) -> None:
    offered = hooked.listed()
    receipt = hooked.bought(offered, idempotency_key="same")
    hooked.bought(offered, idempotency_key="same")
    assert told() == [
        (
            "sale",
            "sellers",
            {
                "transfer": receipt.transfer,
                "lines": [{"listing": offered.pk, "prompt": "acme/mint@1", "price": "10"}],
            },
        )
    ]


def test_a_purchase_that_fails_is_not_told(hooked: Stall) -> None:
    offered = hooked.listed(cost="1000")
    with pytest.raises(Exception, match=r"."):
        hooked.bought(offered)
    assert told() == []


def test_a_refund_is_told_to_both(hooked: Stall) -> None:
    terms = WarrantyTerms(ritual=hooked.cast.triage, floor=0.6, runs=20, days=14)
    hooked.bought(hooked.listed(warranty=terms))
    Delivery.objects.all().delete()
    hooked.cast.record(hooked.cast.outcome(score=0.1, runs=20, prompt=hooked.prompt.pk))
    hooked.market.decide_due_warranties(now=NOW + timedelta(minutes=1))
    kinds = {(kind, team) for kind, team, _ in told()}
    assert kinds == {("refund", "sellers"), ("refund", "buyers"), ("prompt.revoked", "buyers")}
    (data,) = [data for kind, team, data in told() if (kind, team) == ("refund", "sellers")]
    assert (data["amount"], data["score"], data["runs"]) == ("10", 0.1, 20)


def test_a_revocation_is_told_to_who_loses_it_and_one_for_good_to_all(hooked: Stall) -> None:
    hooked.bought(hooked.listed())
    Delivery.objects.all().delete()
    held = Entitlement.objects.get(team=hooked.cast.buyers)
    entitlements.end_grant(entitlement=held, reason="by mistake", now=NOW)
    entitlements.end_grant(entitlement=held, reason="again", now=NOW)
    ((kind, team, data),) = told()
    assert (kind, team, data["for_good"]) == ("prompt.revoked", "buyers", False)
    seller = hooked.cast.as_(hooked.cast.seller)
    hooked.market.withdraw_permanently(
        caller=seller, prompt=hooked.prompt, reason="it leaks", now=NOW
    )
    hooked.market.withdraw_permanently(
        caller=seller, prompt=hooked.prompt, reason="it leaks", now=NOW
    )
    assert [(team, data["for_good"]) for _, team, data in told()] == [
        ("buyers", False),
        ("sellers", True),
    ]


def test_a_label_that_moved_is_told_to_the_line_s_team(hooked: Stall) -> None:
    actor = hooked.principal(hooked.cast.seller)
    for prompt in (hooked.prompt, hooked.prompt, None):
        labels.move(
            namespace="acme", name="mint", label="production", prompt=prompt, actor=actor, reason="try", now=NOW
        )  # fmt: skip
    assert [(team, data["before"], data["after"]) for _, team, data in told()] == [
        ("sellers", None, "acme/mint@1"),
        ("sellers", "acme/mint@1", None),
    ]


def test_trust_that_falls_under_the_floor_is_told_once_a_fall(hooked: Stall) -> None:
    cast = hooked.cast
    buyer = cast.as_(cast.buyer)
    cast.record(cast.outcome(score=0.9, runs=200))
    Mandate.objects.create(
        assistant=cast.scout, trust_floor=0.4, set_by=buyer.principal, set_at=NOW
    )
    hooked.market.inject(
        caller=buyer, prompt=cast.prompt, assistant=cast.scout, variables={"ticket": "x"}, now=NOW
    )
    Delivery.objects.all().delete()
    pair = AssistantPromptTaskTrust.objects.filter(assistant=cast.scout, prompt=cast.prompt)
    for low, newly in ((0.6, 0), (0.3, 1), (0.2, 0), (0.55, 0), (0.35, 1)):
        pair.update(trust_low=low)
        assert hooked.market.raise_trust_alerts(now=NOW) == newly, low
    assert [(kind, team, data["low"], data["floor"]) for kind, team, data in told()] == [
        ("trust.fell", "buyers", 0.3, 0.4),
        ("trust.fell", "buyers", 0.35, 0.4),
    ]


def test_a_webhook_is_told_of_its_kinds_alone(stall: Stall) -> None:
    endpoints.create(
        caller=stall.cast.as_(stall.cast.seller), team=stall.cast.sellers, url="https://example.com", kinds=["refund"],
        note="", now=NOW,
    )  # fmt: skip
    assert outbox.enqueue(kind="sale", team_ids=[stall.cast.sellers.pk], data={}, now=NOW) == 0
    assert outbox.enqueue(kind="refund", team_ids=[stall.cast.sellers.pk], data={}, now=NOW) == 1
