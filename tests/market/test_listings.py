"""Listings: whose, on which terms, and what can't be offered."""

from typing import Any

import pytest
from django.db import DatabaseError, transaction

from mintmark.common import amounts, errors, licences
from mintmark.market.lineage import LicenceForbids
from mintmark.market.listings import AlreadyListed, InvalidListing, WarrantyTerms
from mintmark.market.models import PromptTokenListing
from tests.factories.market_fixture import SECRET, Stall

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.both("what two may do at once is locked row by row there"),
]


@pytest.mark.parametrize(
    "cost", ["-1", "0", "", "NaN", float("nan"), 10**30, 1e30, "0.0000001", "1000000000.5", "one"]
)
def test_a_price_that_is_none_is_refused_and_nothing_is_listed(stall: Stall, cost: Any) -> None:
    with pytest.raises(amounts.InvalidAmount):
        stall.listed(cost=cost)
    assert not PromptTokenListing.objects.exists()
    listing = stall.listed()
    with pytest.raises(amounts.InvalidAmount):
        stall.market.reprice(caller=stall.as_(stall.cast.seller), listing=listing, token_cost=cost)


def test_nobody_lists_reprices_or_withdraws_what_is_not_his(stall: Stall) -> None:
    for user in (stall.cast.buyer, stall.cast.stranger, stall.cast.auditor, stall.third):
        with pytest.raises(errors.Forbidden):
            stall.listed(by=user)
    listing = stall.listed()
    with pytest.raises(errors.Forbidden):
        stall.market.reprice(caller=stall.as_(stall.cast.buyer), listing=listing, token_cost="0.1")
    with pytest.raises(errors.Forbidden):
        stall.market.withdraw_listing(
            caller=stall.as_(stall.cast.buyer), listing=listing, reason="mine", now=stall.now
        )
    listing.refresh_from_db()
    assert (listing.price, listing.withdrawn_at) == ("10", None)


def test_what_was_bought_is_not_the_buyers_to_list(stall: Stall) -> None:
    stall.bought(stall.listed())
    with pytest.raises(errors.Forbidden):
        stall.listed(by=stall.cast.buyer)


def test_a_prompt_stands_on_the_market_once(stall: Stall) -> None:
    stall.listed()
    with pytest.raises(AlreadyListed):
        stall.listed()


def test_an_open_text_has_nothing_to_sell(stall: Stall) -> None:
    with pytest.raises(InvalidListing):
        stall.listed(stall.cast.prompt)


def test_a_copy_of_anothers_text_cannot_be_sold(stall: Stall) -> None:
    copy = stall.cast.written("cheap/copy", SECRET, is_open=False, by=stall.third)
    with pytest.raises(InvalidListing) as refused:
        stall.listed(copy, by=stall.third)
    assert "acme/mint@1" in refused.value.message
    assert "weigh" not in refused.value.message


@pytest.mark.parametrize(
    "terms",
    [
        {"royalty_bp": 5_001},
        {"royalty_bp": -1},
        {"max_discount_bp": 9_001},
        {"preview": "x" * 401},
        {"licence": "MIT OR GPL"},
    ],
)
def test_terms_out_of_bounds_are_refused(stall: Stall, terms: dict[str, Any]) -> None:
    with pytest.raises((InvalidListing, licences.UnknownLicence)):
        stall.listed(**terms)


@pytest.mark.parametrize("changes", [{"floor": 0.0}, {"floor": 1.1}, {"runs": 0}, {"days": 366}])
def test_a_warranty_out_of_bounds_is_refused(stall: Stall, changes: dict[str, Any]) -> None:
    terms = {"ritual": stall.cast.triage, "floor": 0.5, "runs": 5, "days": 5} | changes
    with pytest.raises(InvalidListing):
        stall.listed(warranty=WarrantyTerms(**terms))


def test_a_fork_of_what_may_not_be_sold_is_not_sold(stall: Stall) -> None:
    stall.bought(stall.listed(licence="CC-BY-NC-4.0"))
    child = stall.forked(stall.prompt)
    with pytest.raises(LicenceForbids):
        stall.listed(child, by=stall.cast.buyer, licence="CC-BY-NC-4.0")


@pytest.mark.parametrize("column", ["royalty_bp", "licence", "prompt_id", "seller_id"])
def test_the_database_refuses_to_change_terms(stall: Stall, column: str) -> None:
    listing = stall.listed()
    other = {"royalty_bp": 1, "licence": "ISC", "prompt_id": 0, "seller_id": 0}[column]
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        PromptTokenListing.objects.filter(pk=listing.pk).update(**{column: other})


def test_a_share_of_the_price_is_shown_for_everybody_who_gets_one(stall: Stall) -> None:
    stall.bought(stall.listed(royalty_bp=1_000))
    child = stall.forked(stall.prompt)
    shares = stall.market.build_price_breakdown(
        listing=stall.listed(child, cost="100", by=stall.cast.buyer)
    )
    assert [(s.role, str(s.holder or ""), s.amount_micro) for s in shares] == [
        ("fee", "", 5_000_000),
        ("royalty", "seller", 9_500_000),
        ("seller", "buyer", 85_500_000),
    ]
