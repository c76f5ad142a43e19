"""The buttons on a reputation page fit whoever reads it."""

import pytest
from django.test import Client

from tests.factories.holdings_fixture import Holdings
from tests.web.account import pages

pytestmark = pytest.mark.django_db


def test_the_buttons_fit_whoever_reads(
    holdings: Holdings, buyer: Client, seller: Client, stranger: Client
) -> None:
    path = f"/prompts/{holdings.brief.pk}"
    held = pages.page(buyer, f"{path}/reputation")
    assert f'href="{path}/inject"' in held
    assert f'href="{path}/rate"' in held
    assert "Buy for" not in held
    assert f"/market/prompts/{holdings.brief_listing.pk}" in held
    unbought = pages.page(stranger, f"{path}/reputation")
    assert "Buy for 12.5 credits" in unbought
    assert f'href="{path}/inject"' not in unbought
    own = pages.page(seller, f"{path}/reputation")
    assert f'href="{path}/rate"' not in own
    assert "Listed for 12.5 credits" in own


def test_an_author_is_offered_to_list_what_is_not_listed(
    holdings: Holdings, seller: Client, buyer: Client
) -> None:
    prompt = holdings.cast.written("acme/unlisted", "Weigh {coin} again.", is_open=False)
    assert f"/prompts/{prompt.pk}/list" in pages.page(seller, f"/prompts/{prompt.pk}/reputation")
    assert f"/prompts/{prompt.pk}/list" not in pages.page(buyer, f"/prompts/{prompt.pk}/reputation")


def test_what_was_withdrawn_for_good_offers_nothing(holdings: Holdings, buyer: Client) -> None:
    holdings.market.withdraw_permanently(
        caller=holdings.caller(holdings.cast.seller), prompt=holdings.digest, reason="leaks names", now=holdings.now,
    )  # fmt: skip
    page = pages.page(buyer, f"/prompts/{holdings.digest.pk}/reputation")
    assert "Revoked: leaks names" in page
    assert 'id="ways"' not in page
