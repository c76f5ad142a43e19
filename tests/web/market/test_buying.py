"""Buying: at the price seen, once, for a team."""

import pytest
from django.test import Client

from mintmark.accounts.models import Membership, Role, Team
from mintmark.market.models import Purchase
from mintmark.registry.models import Entitlement
from tests.web import markup
from tests.web.market import pages
from tests.web.market.pages import Town

pytestmark = pytest.mark.django_db


def test_buying_names_wallet_price_and_balance_and_leads_to_the_receipt(town: Town) -> None:
    path = f"/market/prompts/{town.listing.pk}/buy"
    page = pages.page(town.buyer, path)
    for words in ("100 credits", "87.5 credits", "Buy for 12.5 credits", "buyers"):
        assert words in page
    answer = pages.buying(town.buyer, path)
    assert answer.status_code == 302
    assert answer["Location"] == f"/market/receipts/{Purchase.objects.get().transfer_id}"
    assert town.balance(town.cast.buyer) == "87.5"
    assert Entitlement.objects.filter(prompt=town.scene.secret, team=town.cast.buyers).exists()


def test_a_double_click_buys_once(town: Town) -> None:
    client, path = town.buyer, f"/market/prompts/{town.listing.pk}/buy"
    sent = pages.form(pages.page(client, path))
    first, second = client.post(path, sent), client.post(path, sent)
    assert first["Location"] == second["Location"]
    assert town.balance(town.cast.buyer) == "87.5"
    receipt = pages.page(client, first["Location"])
    assert receipt.count("Bought for 12.5 credits.") == 1
    assert "Bought for" not in pages.page(client, first["Location"])


def test_a_page_that_is_loaded_twice_has_two_keys_and_the_second_purchase_is_refused(
    town: Town,
) -> None:
    client, path = town.buyer, f"/market/prompts/{town.listing.pk}/buy"
    one, other = (pages.form(pages.page(client, path)) for _ in range(2))
    assert one["key"] != other["key"]
    client.post(path, one)
    answer = client.post(path, other)
    assert answer.status_code == 422
    assert "Nothing was charged" in markup.read(answer)
    assert town.balance(town.cast.buyer) == "87.5"


def test_a_changed_price_is_shown_and_asked_again(town: Town) -> None:
    client, path = town.buyer, f"/market/prompts/{town.listing.pk}/buy"
    sent = pages.form(pages.page(client, path))
    town.market.reprice(
        caller=town.cast.as_(town.cast.seller), listing=town.listing, token_cost="15"
    )
    answer = client.post(path, sent)
    page = markup.read(answer)
    assert answer.status_code == 422
    assert "it was 12.5 credits when you looked, and is 15 credits now" in page
    assert "Buy for 15 credits" in page
    assert not Purchase.objects.exists()
    again = pages.form(page)
    assert again["key"] != sent["key"]
    assert client.post(path, again).status_code == 302
    assert town.balance(town.cast.buyer) == "85"


def test_a_price_made_up_in_the_form_buys_nothing(town: Town) -> None:
    for price in ("1", "0", "", "99999999999999999"):
        answer = pages.buying(town.buyer, f"/market/prompts/{town.listing.pk}/buy", price=price)
        assert answer.status_code in (400, 422)
    assert not Purchase.objects.exists()


def test_too_few_tokens_are_named_and_leave_no_trace(town: Town) -> None:
    path = f"/market/prompts/{town.listing.pk}/buy"
    sent = pages.form(pages.page(town.buyer, path))
    town.market.reprice(
        caller=town.cast.as_(town.cast.seller), listing=town.listing, token_cost="250"
    )
    page = pages.page(town.buyer, path)
    assert "150 credits short" in page
    assert "mintmark tokens mint buyer 150" in page
    assert 'class="buy"' not in page
    answer = town.buyer.post(path, sent | {"price": "250000000"})
    assert answer.status_code == 422
    assert not Purchase.objects.exists()
    assert town.balance(town.cast.buyer) == "100"


def test_buying_for_one_of_several_teams(town: Town) -> None:
    guests = Team.objects.create(name="guests")
    Membership.objects.create(user=town.cast.buyer, team=guests, role=Role.AUTHOR)
    path = f"/market/prompts/{town.listing.pk}/buy"
    assert "For team" in pages.page(town.buyer, path)
    assert pages.buying(town.buyer, f"{path}?team={guests.pk}").status_code == 302
    assert Purchase.objects.get().team == guests
    assert "Team guests already has" in pages.page(town.buyer, f"{path}?team={guests.pk}")
    assert 'class="buy"' in pages.page(town.buyer, path)


def test_a_team_that_is_not_ones_own_is_not_bought_for(town: Town) -> None:
    others = Team.objects.create(name="others")
    answer = pages.buying(town.buyer, f"/market/prompts/{town.listing.pk}/buy", team=str(others.pk))
    assert answer.status_code == 422
    assert not Purchase.objects.exists()


def test_who_has_no_team_reads_what_it_takes(town: Town) -> None:
    path = f"/market/prompts/{town.listing.pk}/buy"
    page = pages.page(town.stranger, path)
    assert "you need the role ‘operator’ or ‘author’" in page
    assert 'class="buy"' not in page
    sent = {"team": str(town.cast.buyers.pk), "price": "12500000", "key": "mine"}
    assert town.stranger.post(path, sent).status_code == 422
    assert not Purchase.objects.exists()


def test_ones_own_is_not_bought(town: Town) -> None:
    page = pages.page(town.seller, f"/market/prompts/{town.listing.pk}/buy")
    assert "Team sellers owns" in page
    assert 'class="buy"' not in page


def test_a_form_without_its_token_buys_nothing(town: Town) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(town.cast.buyer)
    sent = {"team": str(town.cast.buyers.pk), "price": "12500000", "key": "mine"}
    assert client.post(f"/market/prompts/{town.listing.pk}/buy", sent).status_code == 403
    assert not Purchase.objects.exists()
