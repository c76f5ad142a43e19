"""Selling: listing, repricing, withdrawing."""

import pytest
from django.utils import timezone

from mintmark.market.listings import WarrantyTerms
from mintmark.market.models import PromptTokenListing
from mintmark.registry.models import Tombstone
from tests.web import markup
from tests.web.market import pages
from tests.web.market.pages import PREVIEW, Town

pytestmark = pytest.mark.django_db


def test_a_prompt_of_ones_own_is_listed_with_every_term(town: Town) -> None:
    prompt = town.cast.written("acme/fresh", "Fresh {x}.", is_open=False)
    path = f"/prompts/{prompt.pk}/list"
    page = pages.page(town.seller, path)
    assert "buyers may fork it but not sell the fork" in page
    assert "The platform fee is 5% of each sale" in page
    form = {
        "token_cost": "7.25", "licence": "CC-BY-4.0", "preview": "Line one.\r\nLine two.", "royalty": "12.5",
        "max_discount": "20", "ritual": town.cast.triage.pk, "floor": "0.6", "runs": "20", "days": "14",
    }  # fmt: skip
    seller = town.seller
    answer = seller.post(path, form)
    made = PromptTokenListing.objects.get(prompt=prompt)
    assert answer["Location"] == f"/market/prompts/{made.pk}"
    assert (made.price, made.royalty_bp, made.max_discount_bp) == ("7.25", 1_250, 2_000)
    assert (made.warranty_floor, made.warranty_runs, made.warranty_days) == (0.6, 20, 14)
    prompt.refresh_from_db()
    assert prompt.preview == "Line one.\nLine two."
    assert "is listed for 7.25 credits" in pages.page(seller, answer["Location"])
    assert town.seller.get(path)["Location"] == f"/market/prompts/{made.pk}/manage"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"token_cost": "-1"}, "must be more than 0"),
        ({"token_cost": "0"}, "must be more than 0"),
        ({"token_cost": "NaN"}, "not a number"),
        ({"token_cost": "1e30"}, "at most 1,000,000,000"),
        ({"token_cost": "0.0000001"}, "six decimals"),
        ({"licence": "WTFPL"}, "is not known here"),
        ({"royalty": "60"}, "it may be 0 to 50"),
        ({"royalty": "1.234"}, "a percentage with up to two decimals"),
        ({"max_discount": "95"}, "it may be 0 to 90"),
        ({"preview": "x" * 401}, "401 characters"),
        ({"ritual": "{triage}"}, "floor"),
        ({"ritual": "{triage}", "floor": "0.5", "runs": "5", "days": "400"}, "may be 1 to 365"),
    ],
)
def test_an_offer_that_can_not_stand_says_why_and_keeps_what_was_typed(
    town: Town, changes: dict[str, str], says: str
) -> None:
    prompt = town.cast.written("acme/fresh", "Fresh {x}.", is_open=False)
    form = {"token_cost": "7.25", "licence": "MIT", "preview": "Kept words."}
    form |= {key: value.format(triage=town.cast.triage.pk) for key, value in changes.items()}
    answer = town.seller.post(f"/prompts/{prompt.pk}/list", form)
    page = markup.read(answer)
    assert answer.status_code == 422
    assert says in page
    assert "Kept words." in page or "preview" in changes
    assert not PromptTokenListing.objects.filter(prompt=prompt).exists()


def test_only_authors_of_its_team_list_and_manage_a_prompt(town: Town) -> None:
    prompt = town.cast.written("acme/fresh", "Fresh {x}.", is_open=False)
    for client in (town.buyer, town.stranger):
        for path in (f"/prompts/{prompt.pk}/list", f"/market/prompts/{town.listing.pk}/manage"):
            assert client.get(path).status_code == 403
            sent = {"token_cost": "1", "do": "revoke", "reason": "mine now"}
            assert client.post(path, sent).status_code == 403
    assert not Tombstone.objects.exists()


def test_an_open_text_is_not_sold(town: Town) -> None:
    path = f"/prompts/{town.scene.never_run.pk}/list"
    assert "so it can't be sold" in pages.page(town.seller, path)
    answer = town.seller.post(path, {"token_cost": "1", "licence": "MIT"})
    assert answer.status_code == 422


def test_a_listing_is_repriced_and_says_what_it_was(town: Town) -> None:
    path = f"/market/prompts/{town.listing.pk}/manage"
    answer = town.seller.post(path, {"do": "reprice", "token_cost": "20"}, follow=True)
    assert "The price is now 20 credits; it was 12.5." in markup.read(answer)
    answer = town.seller.post(path, {"do": "reprice", "token_cost": "-3"})
    assert answer.status_code == 422
    assert 'value="-3"' in markup.read(answer)
    town.listing.refresh_from_db()
    assert town.listing.price == "20"


def test_a_listing_is_withdrawn_with_a_reason_and_can_be_offered_again(town: Town) -> None:
    path = f"/market/prompts/{town.listing.pk}/manage"
    assert town.seller.post(path, {"do": "withdraw", "reason": " "}).status_code == 422
    page = markup.read(
        town.seller.post(path, {"do": "withdraw", "reason": "rewritten"}, follow=True)
    )
    assert "The listing was withdrawn." in page
    assert f"/prompts/{town.scene.secret.pk}/list" in page
    again = pages.page(town.seller, f"/prompts/{town.scene.secret.pk}/list")
    assert 'value="12.5"' in again
    assert PREVIEW in again


def test_withdrawing_for_good_names_what_it_ends_and_refunds(town: Town) -> None:
    warranty = WarrantyTerms(ritual=town.cast.triage, floor=0.7, runs=10, days=7)
    other = town.cast.written("acme/warm", "Warm {coin}.", is_open=False)
    listing = town.listed(other, "4", warranty=warranty)
    town.bought(listing)
    town.market.inject(
        caller=town.cast.as_(town.cast.buyer), prompt=other, assistant=town.cast.scout,
        now=timezone.now(),
    )  # fmt: skip
    path = f"/market/prompts/{listing.pk}/manage"
    assert "Revoke the prompt in 1 slot and refund 4 credits" in pages.page(town.seller, path)
    town.seller.post(path, {"do": "revoke", "reason": "it burns"})
    assert Tombstone.objects.get(prompt=other).reason == "it burns"
    assert town.balance(town.cast.buyer) == "100"
    assert "it burns" in pages.page(town.stranger, f"/market/prompts/{listing.pk}")
    assert "acme/warm@1" not in pages.page(town.buyer, "/market/prompts")
