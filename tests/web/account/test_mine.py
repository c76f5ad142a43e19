"""What is mine: purchases, warranties, what is sold."""

import re

import pytest
from django.test import Client

from mintmark.market.models import Warranty
from tests.factories.holdings_fixture import Holdings
from tests.web.account import pages

pytestmark = pytest.mark.django_db


def test_mine_lists_purchases_with_price_receipt_and_how_the_warranty_stands(
    holdings: Holdings, buyer: Client
) -> None:
    bought = pages.part(pages.page(buyer, "/market/mine"), "bought")
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", bought))
    assert "mean 0.75, guaranteed 0.60 · 12 of 20 runs on triage-cases · 8 days left" in text
    assert "no warranty" in text
    assert "12.5" in text
    assert f"/market/receipts/{holdings.receipt.transfer}" in bought


def test_a_warranty_that_failed_says_what_came_back_and_the_use_is_gone(
    holdings: Holdings, buyer: Client, seller: Client
) -> None:
    cast = holdings.cast
    cast.record(cast.outcome(score=0.0, prompt=holdings.brief.pk, runs=8), now=holdings.ago(days=1))
    holdings.market.decide_due_warranties(now=holdings.now)
    assert Warranty.objects.get().state == "failed"
    page = pages.page(buyer, "/market/mine")
    assert "Refunded" in pages.part(page, "bought")
    assert "incident-brief" not in pages.part(page, "usable")
    assert "incident-brief" not in pages.part(page, "at-work")
    assert "refunded: the warranty failed" in pages.page(buyer, "/wallet")
    assert "12.5" in pages.part(pages.page(seller, "/market/mine"), "selling")


def test_mine_lists_what_is_sold_with_what_buyers_paid_and_what_waits(
    holdings: Holdings, seller: Client, buyer: Client
) -> None:
    rows = re.sub(
        r"\s+",
        " ",
        re.sub(r"<[^>]+>", " ", pages.part(pages.page(seller, "/market/mine"), "selling")),
    )
    assert re.search(r"acme/incident-brief@1 12\.5 1 12\.5 12\.5 – on the market", rows)
    assert re.search(r"acme/escalate@1 9 0 0 – – on the market", rows)
    assert "buyers/incident-line@1" in pages.part(pages.page(buyer, "/market/mine"), "selling")


def test_each_list_of_mine_pages_by_its_own_place(
    holdings: Holdings, buyer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mintmark.web.market.my_market.ROWS_PER_PAGE", 1)
    page = pages.page(buyer, "/market/mine")
    older = re.search(r'href="([^"#]+)#bought">Older', page)
    assert older
    next_page = pages.page(buyer, f"/market/mine{older[1]}")
    assert "incident-brief" in pages.part(next_page, "bought")
    assert "digest" not in pages.part(next_page, "bought")
    assert ">Newest</a>" in pages.part(next_page, "bought")
    assert "digest" in pages.part(next_page, "usable")


def test_a_stranger_owns_nothing_and_learns_the_next_step(
    holdings: Holdings, stranger: Client
) -> None:
    page = pages.page(stranger, "/market/mine")
    assert "Your teams have not bought anything yet" in page
    assert "incident" not in page
    assert "No open requests" in pages.page(stranger, "/market/requests")
