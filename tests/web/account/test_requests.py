"""What an assistant asked to buy, and what a person decides."""

import re

import pytest
from django.test import Client

from mintmark.market.models import Purchase, PurchaseRequest
from mintmark.tokens import wallets
from tests.factories.holdings_fixture import Holdings
from tests.web.account import pages

pytestmark = pytest.mark.django_db


def test_a_request_says_its_price_and_the_wallet_it_comes_from(
    holdings: Holdings, buyer: Client
) -> None:
    page = pages.page(buyer, "/market/requests")
    assert "scout asks for" in page
    assert "Give it" not in page
    assert "wallet</button>" in page
    assert "Buy for 9 credits from scout&#x27;s wallet" in page or (
        "Buy for 9 credits from scout's wallet" in page
    )
    assert "4.5" in page
    assert "declined" in pages.part(page, "decided")


def test_a_request_is_bought_once(holdings: Holdings, buyer: Client) -> None:
    sent = {"request": holdings.request.pk, "decision": "buy"}
    status, to, _ = pages.post(buyer, "/market/requests", **sent)
    assert (status, to) == (302, "/market/requests")
    status, _, page = pages.post(buyer, "/market/requests", **sent)
    assert status == 422
    assert "was confirmed before" in page
    assert pages.held(holdings.cast.scout) == "4.5"
    assert Purchase.objects.filter(prompt=holdings.escalate).count() == 1


def test_a_declined_request_costs_nothing(holdings: Holdings, buyer: Client) -> None:
    status, _, _ = pages.post(
        buyer, "/market/requests", request=holdings.request.pk, decision="decline"
    )
    assert status == 302
    assert PurchaseRequest.objects.get(pk=holdings.request.pk).state == "declined"
    assert pages.held(holdings.cast.scout) == "13.5"


def test_a_request_beyond_the_wallet_says_what_to_give_first(
    holdings: Holdings, buyer: Client
) -> None:
    scout = holdings.cast.scout
    wallets.give(
        caller=holdings.caller(holdings.cast.buyer), source=scout.principal, memo="", idempotency_key="back",
        recipient=holdings.caller(holdings.cast.buyer).principal, amount_micro=10_000_000, now=holdings.now,
    )  # fmt: skip
    page = pages.page(buyer, "/market/requests")
    link = re.search(r'href="(/wallet\?[^"#]+)', page)
    assert link
    assert "Buy for" not in page
    assert "Give 5.5 credits to scout" in pages.page(buyer, link[1].replace("&amp;", "&"))
    status, _, page = pages.post(
        buyer, "/market/requests", request=holdings.request.pk, decision="buy"
    )
    assert status == 422
    assert PurchaseRequest.objects.get(pk=holdings.request.pk).state == "waiting"


def test_a_request_whose_price_changed_cannot_be_bought(holdings: Holdings, buyer: Client) -> None:
    holdings.market.reprice(
        caller=holdings.caller(holdings.cast.seller),
        listing=holdings.escalate_listing,
        token_cost="10",
    )
    assert "It costs 10 credits now" in pages.page(buyer, "/market/requests")
    status, _, page = pages.post(
        buyer, "/market/requests", request=holdings.request.pk, decision="buy"
    )
    assert status == 422
    assert "costs 10 credits now, not 9" in page
    assert pages.held(holdings.cast.scout) == "13.5"


def test_nobody_decides_for_the_assistants_of_others(
    holdings: Holdings, seller: Client, stranger: Client
) -> None:
    for client in (seller, stranger):
        status, _, _ = pages.post(
            client, "/market/requests", request=holdings.request.pk, decision="buy"
        )
        assert status == 404
        assert "scout" not in pages.page(client, "/market/requests")
    assert pages.held(holdings.cast.scout) == "13.5"
