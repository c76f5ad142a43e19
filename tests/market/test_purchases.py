"""Buying: what moves, what is granted, and what is refused without a trace."""

from decimal import Decimal

import pytest

from mintmark.accounts.models import Membership, Role
from mintmark.common import errors
from mintmark.market import purchases
from mintmark.market.models import PromptTokenListing, Purchase
from mintmark.market.purchases import AlreadyOwned, InvalidIdempotencyKey, PriceChanged
from mintmark.registry import prompts
from mintmark.registry.models import Entitlement
from mintmark.tokens import book, system_accounts
from mintmark.tokens.models import Account
from tests.factories.market_fixture import Stall, entries, trace

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.both("what two may do at once is locked row by row there"),
]


def test_a_purchase_pays_the_seller_and_the_house_and_entitles_the_team(stall: Stall) -> None:
    receipt = stall.bought(stall.listed(cost="12.5"))
    moved = entries(receipt.transfer)
    buyer, seller = stall.principal(stall.cast.buyer).pk, stall.principal(stall.cast.seller).pk
    assert moved.pop(buyer) == -12_500_000
    assert moved.pop(seller) == 11_875_000
    assert list(moved.values()) == [625_000]
    assert stall.balance(stall.cast.buyer) == "87.5"
    assert system_accounts.get_total_balance(Account.Kind.TREASURY) == 625_000
    assert prompts.may_read_text(caller=stall.as_(stall.cast.buyer), prompt=stall.prompt)
    assert not prompts.may_read_text(caller=stall.as_(stall.third), prompt=stall.prompt)


def test_the_same_key_again_answers_as_it_did(stall: Stall) -> None:
    listing = stall.listed()
    first = stall.bought(listing, idempotency_key="once")
    before = trace()
    again = stall.bought(listing, idempotency_key="once")
    assert (again.transfer, again.items, again.is_new) == (first.transfer, first.items, False)
    assert trace() == before


def test_the_same_key_answers_even_when_the_listing_was_withdrawn_since(stall: Stall) -> None:
    listing = stall.listed()
    first = stall.bought(listing, idempotency_key="once")
    stall.market.withdraw_listing(
        caller=stall.as_(stall.cast.seller), listing=listing, reason="sold out", now=stall.now
    )
    assert stall.bought(listing, idempotency_key="once").transfer == first.transfer


def test_the_same_key_with_another_body_is_refused(stall: Stall) -> None:
    listing = stall.listed()
    other = stall.listed(stall.cast.written("acme/other", "Other {x}.", is_open=False))
    stall.bought(listing, idempotency_key="once")
    before = trace()
    for changes in ({"listing": other.pk}, {"price_micro": listing.price_micro + 1}):
        with pytest.raises(errors.IdempotencyKeyReused) as refused:
            stall.bought(listing, idempotency_key="once", **changes)
        assert "'once'" in refused.value.message
    assert trace() == before


def test_a_key_is_the_buyers_own(stall: Stall) -> None:
    listing = stall.listed()
    stall.bought(listing, idempotency_key="once")
    assert stall.bought(listing, idempotency_key="once", by=stall.third).is_new


@pytest.mark.parametrize("key", ["", " " * 201, "k" * 201, "ключ", "a\nb"])
def test_a_key_that_cannot_be_kept_is_refused(stall: Stall, key: str) -> None:
    with pytest.raises(InvalidIdempotencyKey):
        stall.bought(stall.listed(), idempotency_key=key)


def test_a_changed_price_is_refused_and_not_silently_charged(stall: Stall) -> None:
    listing = stall.listed(cost="10")
    seen = listing.price_micro
    stall.market.reprice(caller=stall.as_(stall.cast.seller), listing=listing, token_cost="9")
    before = trace()
    with pytest.raises(PriceChanged) as refused:
        stall.bought(listing, price_micro=seen)
    assert "costs 9 credits now, not 10" in refused.value.message
    assert trace() == before


def test_what_was_withdrawn_is_not_sold(stall: Stall) -> None:
    listing = stall.listed()
    PromptTokenListing.objects.filter(pk=listing.pk).update(withdrawn_at=stall.now)
    with pytest.raises(PriceChanged):
        stall.bought(listing)


def test_insufficient_funds_leave_no_trace_and_the_key_is_free(stall: Stall) -> None:
    listing = stall.listed(cost="100.000001")
    before = trace()
    with pytest.raises(book.InsufficientFunds) as refused:
        stall.bought(listing, idempotency_key="again")
    assert "takes 100.000001 credits, and the wallet holds 100" in refused.value.message
    assert trace() == before
    assert not Entitlement.objects.filter(prompt=stall.prompt).exists()
    cheaper = stall.market.reprice(
        caller=stall.as_(stall.cast.seller), listing=listing, token_cost="100"
    )
    assert stall.bought(cheaper, idempotency_key="again").is_new
    assert stall.balance(stall.cast.buyer) == "0"


def test_a_buyer_cannot_buy_twice_nor_can_another_of_his_team(stall: Stall) -> None:
    listing = stall.listed()
    stall.bought(listing)
    before = trace()
    with pytest.raises(AlreadyOwned):
        stall.bought(listing)
    assert trace() == before


def test_nobody_buys_what_is_his_own(stall: Stall) -> None:
    with pytest.raises(AlreadyOwned):
        stall.bought(stall.listed(), by=stall.cast.seller)


def test_who_has_no_team_or_no_role_in_it_buys_nothing(stall: Stall) -> None:
    listing = stall.listed()
    for user in (stall.cast.stranger, stall.cast.auditor):
        with pytest.raises(errors.Forbidden):
            stall.bought(listing, by=user)
    with pytest.raises(errors.Forbidden):
        stall.bought(listing, by=stall.third, team=stall.cast.buyers)


def test_a_listing_that_is_not_there_is_not_found(stall: Stall) -> None:
    with pytest.raises(errors.NotFound):
        stall.bought(stall.listed(), listing=10**12)


def test_a_sale_of_a_fork_pays_every_generation_its_part_of_what_is_left(stall: Stall) -> None:
    stall.bought(stall.listed(cost="10", royalty_bp=2_000))
    child = stall.forked(stall.prompt)
    stall.bought(stall.listed(child, by=stall.cast.buyer, royalty_bp=1_000), by=stall.third)
    grandchild = stall.forked(child, by=stall.third)
    listing = stall.listed(grandchild, cost="100", by=stall.third)
    receipt = stall.bought(listing, by=stall.cast.seller)
    moved = entries(receipt.transfer)
    # Of 95 after the fee: 10% to the parent's seller, 20% of what that leaves to the first author,
    # who is the buyer here.
    assert moved[stall.principal(stall.cast.buyer).pk] == 9_500_000
    assert moved[stall.principal(stall.cast.seller).pk] == -100_000_000 + 17_100_000
    assert moved[stall.principal(stall.third).pk] == 68_400_000


def test_terms_are_those_of_the_time_of_the_fork(stall: Stall) -> None:
    listing = stall.listed(royalty_bp=1_000)
    stall.bought(listing)
    child = stall.forked(stall.prompt)
    stall.market.withdraw_listing(
        caller=stall.as_(stall.cast.seller), listing=listing, reason="new terms", now=stall.now
    )
    stall.listed(royalty_bp=5_000)
    receipt = stall.bought(stall.listed(child, by=stall.cast.buyer), by=stall.third)
    assert entries(receipt.transfer)[stall.principal(stall.cast.seller).pk] == 950_000


def test_a_revision_of_a_fork_owes_what_the_fork_owes(stall: Stall) -> None:
    stall.bought(stall.listed(royalty_bp=1_000))
    child = stall.forked(stall.prompt, line="mine")
    revision = stall.cast.written(
        "forks/mine", "Changed again {coin}.", parent=child, is_open=False, by=stall.cast.buyer
    )
    receipt = stall.bought(stall.listed(revision, by=stall.cast.buyer), by=stall.third)
    assert entries(receipt.transfer)[stall.principal(stall.cast.seller).pk] == 950_000


def test_token_cost_given_as_a_float_round_trips(stall: Stall) -> None:
    for cost in (12.5, 0.1, 0.000001, 999_999_999.999999, 1e9):
        listing = stall.listed(cost=cost)
        listing.refresh_from_db()
        assert float(listing.token_cost) == cost
        assert isinstance(listing.token_cost, Decimal)
        stall.market.withdraw_listing(
            caller=stall.as_(stall.cast.seller), listing=listing, reason="next", now=stall.now
        )


def test_a_receipt_can_be_read_again(stall: Stall) -> None:
    made = stall.bought(stall.listed(cost="7"))
    read = purchases.get_purchase_result(transfer=made.transfer)
    assert (read.items, read.total_micro) == (made.items, 7_000_000)
    purchase = Purchase.objects.get(transfer=made.transfer)
    assert (purchase.prompt, purchase.team) == (stall.prompt, stall.cast.buyers)


def test_nobody_buys_what_he_sells_himself_not_even_for_another_team(stall: Stall) -> None:
    """All but the fee would come back to him; of a micro-token all of it, in a transfer that moves nothing."""
    seller = stall.cast.seller
    Membership.objects.create(user=seller, team=stall.thirds, role=Role.AUTHOR)
    listing = stall.listed(cost="0.000001")
    before = trace()
    with pytest.raises(AlreadyOwned):
        stall.bought(listing, by=seller, team=stall.thirds)
    assert trace() == before
