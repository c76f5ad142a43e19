"""A listing: what it tells to whom."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from mintmark.market.listings import WarrantyTerms
from mintmark.market.models import Purchase, RoyaltyTerm
from mintmark.registry.models import Codex, CodexContract
from tests.factories.web_scene import SECRET
from tests.web import markup
from tests.web.market import pages
from tests.web.market.pages import PREVIEW, Town

pytestmark = pytest.mark.django_db


def test_a_stranger_sees_everything_of_a_listing_but_its_text(town: Town) -> None:
    page = pages.page(town.stranger, f"/market/prompts/{town.listing.pk}")
    for words in (
        PREVIEW, "Trust, all assistants", "Who is paid", "platform<br>", "0.625", "11.875", "Warranty",
        "Nobody has bought it yet", "buyers may fork it and sell the fork", "scout",
    ):  # fmt: skip
        assert words in page
    part = pages.page(town.stranger, f"/market/prompts/{town.listing.pk}", **{"HX-Request": "true"})
    assert "<html" not in part
    assert PREVIEW in part


def test_no_page_of_the_market_leaks_the_text_to_those_who_have_not_bought_it(town: Town) -> None:
    child = town.cast.written(
        "acme/secret-2", f"{SECRET} And again.", parent=town.scene.secret, is_open=False
    )
    forked = town.listed(child, "3")
    town.curated(town.scene.secret, child)
    transfer = town.bought(forked)
    paths = (
        "/market/prompts", "/market/prompts?q=weigh", f"/market/prompts/{town.listing.pk}",
        f"/market/prompts/{forked.pk}", f"/market/prompts/{town.listing.pk}/buy", "/market/sets",
        "/market/sets/starter", "/market/sets/starter/buy", "/market/sets/new",
        f"/market/receipts/{transfer}", f"/prompts/{town.scene.secret.pk}/list",
        f"/market/prompts/{town.listing.pk}/manage",
    )  # fmt: skip
    for user in (town.cast.stranger, town.cast.auditor):
        for path in paths:
            assert "weigh {coin}" not in markup.read(town.scene.client(user).get(path)), path
    # The buyer has the child: its text is his, and the parent's is not in any difference.
    page = pages.page(town.buyer, f"/market/prompts/{forked.pk}")
    assert "And again." in page
    assert "shown to users who may read both texts" in page
    assert "weigh {coin}" not in pages.page(town.buyer, f"/market/prompts/{town.listing.pk}")


def test_who_may_read_both_texts_sees_what_a_fork_changes(town: Town) -> None:
    child = town.cast.written(
        "acme/secret-2", SECRET.replace("twice", "thrice"), parent=town.scene.secret, is_open=False
    )
    forked = town.listed(child, "3")
    page = pages.page(town.seller, f"/market/prompts/{forked.pk}")
    assert re.search(r"<del>− .*twice", page)
    assert re.search(r"<ins>\+ .*thrice", page)


def test_a_price_is_parted_by_generations_and_the_parts_are_said(town: Town) -> None:
    child = town.cast.written(
        "buyers/secret", SECRET + "!", parent=town.scene.secret, is_open=False, by=town.cast.buyer
    )
    RoyaltyTerm.objects.create(
        prompt=child, ancestor=town.scene.secret, holder=town.cast.as_(town.cast.seller).principal,
        rate_bp=1_000, agreed_at=timezone.now(),
    )  # fmt: skip
    listing = town.listed(child, "20", by=town.cast.buyer)
    part = pages.page(town.stranger, f"/market/prompts/{listing.pk}").split("Who is paid")[1]
    table = part.split("</table>")[0]
    assert re.findall(r'<td class="number">([\d.]+)</td>', table) == ["1", "1.9", "17.1", "20"]
    assert "royalty for" in table
    assert "10% royalty to acme/secret@1" in pages.page(town.stranger, "/market/prompts")


def test_the_three_scores_come_with_the_counts_behind_them(town: Town) -> None:
    codex = Codex.objects.create(name="house", clauses=[])
    CodexContract.objects.create(prompt=town.scene.secret, codex=codex)
    town.bought()
    market = town.market
    market.inject(
        caller=town.cast.as_(town.cast.buyer), prompt=town.scene.secret, assistant=town.cast.scout,
        now=timezone.now(),
    )  # fmt: skip
    page = pages.page(town.stranger, f"/market/prompts/{town.listing.pk}")
    assert "1 of 1 other active teams has it at work now, in 1 assistant" in page
    assert "1 of 1 recent uses passed every blocking clause" in page
    assert "on 1 of 1 purchases (100%)" in page


def test_steps_show_what_is_done_and_open_the_next(town: Town) -> None:
    path = f"/market/prompts/{town.listing.pk}"
    page = pages.page(town.buyer, path)
    assert "Buy for 12.5 credits" in page
    assert "After your team has it." in page
    transfer = town.bought()
    page = pages.page(town.buyer, path)
    assert f"/market/receipts/{transfer}" in page
    assert f"/prompts/{town.scene.secret.pk}/inject" in page
    assert f"/prompts/{town.scene.secret.pk}/rate" in page
    assert f"/prompts/{town.scene.secret.pk}/fork" in page
    assert page.count(" (done)") == 2  # bought, and used before by evidence
    own = pages.page(town.seller, path)
    assert "Your team owns it." in own
    assert f"/prompts/{town.scene.secret.pk}/rate" not in own


def test_a_licence_that_forbids_forks_says_so_at_the_step(town: Town) -> None:
    other = town.cast.written("acme/closed", "Closed {x}.", is_open=False)
    listing = town.listed(other, "1", licence="CC-BY-ND-4.0")
    town.bought(listing)
    page = pages.page(town.buyer, f"/market/prompts/{listing.pk}")
    assert "The licence does not allow it (CC-BY-ND-4.0)" in page
    assert f"/prompts/{other.pk}/fork" not in page


def test_a_promise_that_was_not_kept_is_shown_to_everybody(town: Town) -> None:
    warranty = WarrantyTerms(ritual=town.cast.triage, floor=0.7, runs=10, days=7)
    other = town.cast.written("acme/warm", "Warm {coin}.", is_open=False)
    listing = town.listed(other, "4", warranty=warranty)
    town.bought(listing)
    town.cast.record(
        town.cast.outcome(score=0.4, prompt=other.pk), now=timezone.now() + timedelta(seconds=1)
    )
    town.market.decide_due_warranties(now=timezone.now() + timedelta(seconds=2))
    page = pages.page(town.stranger, f"/market/prompts/{listing.pk}")
    assert "Failed warranties" in page
    assert re.search(r"title=\"0.4\">0.40<", page)
    receipt = pages.page(town.buyer, f"/market/receipts/{Purchase.objects.get().transfer_id}")
    assert "Refunded" in receipt


def test_a_withdrawn_listing_says_so_and_sells_nothing(town: Town) -> None:
    town.market.withdraw_listing(
        caller=town.cast.as_(town.cast.seller), listing=town.listing, reason="rewritten",
        now=timezone.now(),
    )  # fmt: skip
    page = pages.page(town.buyer, f"/market/prompts/{town.listing.pk}")
    assert "rewritten" in page
    assert "Buy for" not in page
    page = pages.page(town.buyer, f"/market/prompts/{town.listing.pk}/buy")
    assert "is no longer for sale under this listing" in page
    again = town.listed(town.scene.secret, "15")
    assert f"/market/prompts/{again.pk}" in pages.page(
        town.buyer, f"/market/prompts/{town.listing.pk}"
    )
