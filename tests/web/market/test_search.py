"""The market and its search: what a card says, how it is narrowed and ordered."""

import re

import pytest

from mintmark.market.listings import WarrantyTerms
from mintmark.market.models import PromptTokenListing
from mintmark.web.market import prompts as market_page
from tests.factories.web_scene import Scene
from tests.web.market import pages
from tests.web.market.pages import PREVIEW, Town

pytestmark = pytest.mark.django_db


def test_a_card_says_what_speaks_for_a_prompt_and_what_it_costs(town: Town) -> None:
    page = pages.page(town.buyer, f"/market/prompts?assistant={town.cast.scout.pk}")
    for words in ("12.5", "for scout", "all assistants", "MIT", "forks pay 10% royalty", PREVIEW):
        assert words in page
    assert page.count('<svg class="interval') == 2
    assert "used by no assistant yet" in page
    assert f"/market/prompts/{town.listing.pk}/buy" in page


def test_a_card_says_how_far_it_is_adopted_and_what_it_promises(town: Town) -> None:
    warranty = WarrantyTerms(ritual=town.cast.triage, floor=0.625, runs=20, days=14)
    other = town.cast.written("acme/warm", "Warm {coin}.", is_open=False)
    town.listed(other, "1", warranty=warranty)
    PromptTokenListing.objects.filter(prompt=other).update(swarm_adoption_score=5 / 16)
    page = pages.page(town.buyer, "/market/prompts?warranty=1")
    assert pages.cards(page) == ["acme/warm@1"]
    assert "used by 31% of other active teams" in page
    assert "warranty: at least 0.625 on triage-cases@1, 20 runs, 14 days" in page
    assert "<strong>1</strong> credit<" in page


def test_what_one_has_is_put_to_work_and_what_is_ones_own_is_managed(town: Town) -> None:
    assert "your team has it" not in pages.page(town.buyer, "/market/prompts")
    town.bought()
    page = pages.page(town.buyer, "/market/prompts")
    assert "your team has it" in page
    assert f"/prompts/{town.scene.secret.pk}/inject" in page
    assert "/buy" not in page
    page = pages.page(town.seller, "/market/prompts")
    assert f"/market/prompts/{town.listing.pk}/manage" in page
    assert "/buy" not in page


def test_the_market_is_narrowed_by_everything_at_once_and_each_filter_is_taken_off_alone(
    town: Town,
) -> None:
    town.stocked(4)
    query = "?q=coins&tag=way:1&licence=MIT&price_from=2&price_to=2.5&trust_from=0"
    page = pages.page(town.buyer, f"/market/prompts{query}&task={town.cast.triage.pk}")
    assert pages.cards(page) == ["acme/coins-1@1"]
    chips = page.split('class="narrowed"')[1].split("</ul>")[0]
    links = re.findall(r'href="([^"]+)"', chips)
    assert len(links) == 6
    assert all(link.count("=") == 6 for link in links)
    assert pages.cards(pages.page(town.buyer, "/market/prompts?price_to=0")) == []
    assert pages.cards(pages.page(town.buyer, "/market/prompts?trust_from=1")) == []


def test_facets_are_links_with_counts_that_keep_the_query(town: Town) -> None:
    town.stocked(4)
    facets = pages.page(town.buyer, "/market/prompts?q=coins").split('id="narrow"')[1]
    tag = re.search(r'href="\?q=coins&amp;tag=way%3A0">way:0</a> <span class="soft">(\d+)', facets)
    assert tag is not None
    assert tag[1] == "2"
    assert f"task={town.cast.triage.pk}" in facets
    assert "licence=MIT" in facets


@pytest.mark.parametrize("order", [order for order, _ in market_page.ORDERS])
def test_every_order_can_be_paged_to_its_end_by_its_links(
    town: Town, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    monkeypatch.setattr(market_page, "CARDS_PER_PAGE", 3)
    town.stocked(7)
    seen, query = [], f"?order={order}&assistant={town.cast.scout.pk}"
    while query:
        page = pages.page(town.buyer, f"/market/prompts{query}")
        seen += pages.cards(page)
        more = re.search(r'rel="next" href="([^"]+)"', page)
        query = more[1].replace("&amp;", "&") if more else ""
    assert len(seen) == len(set(seen)) == 8


def test_prices_order_both_ways(town: Town) -> None:
    town.stocked(3)
    rising = pages.cards(pages.page(town.buyer, "/market/prompts?order=price"))
    assert rising == ["acme/coins-0@1", "acme/coins-1@1", "acme/coins-2@1", "acme/secret@1"]
    assert pages.cards(pages.page(town.buyer, "/market/prompts?order=-price")) == rising[::-1]


def test_what_is_typed_finds_a_fragment_of_the_same_page(town: Town) -> None:
    part = pages.page(town.buyer, "/market/prompts?q=secret", **{"HX-Request": "true"})
    assert "<html" not in part
    assert pages.cards(part) == ["acme/secret@1"]


def test_the_text_is_not_searched(town: Town) -> None:
    assert pages.cards(pages.page(town.buyer, "/market/prompts?q=twice")) == []


def test_an_empty_market_teaches_and_a_search_that_finds_nothing_says_what_to_do(
    scene: Scene,
) -> None:
    page = pages.page(scene.client(scene.cast.seller), "/market/prompts")
    assert "No listings yet" in page
    assert f"/prompts/{scene.secret.pk}/list" in page
    assert "/api/v1/prompts" in pages.page(scene.client(scene.cast.stranger), "/market/prompts")
    page = pages.page(scene.client(scene.cast.buyer), "/market/prompts?q=zzz&tag=none")
    assert "No listing matches" in page
    assert "Remove a filter" in page


@pytest.mark.parametrize(
    ("query", "allowed"),
    [
        ("price_from=-1", "an amount from 0"),
        ("price_to=NaN", "an amount from 0"),
        ("price_to=1e30", "an amount from 0"),
        ("price_from=0.0000001", "an amount from 0"),
        ("trust_from=2", "a number from 0 to 1"),
        ("order=luck", "one of trust"),
        ("after=here", "a position in the list"),
        ("after=nan_3", "a position in the list"),
        ("assistant=scout", "a whole number"),
        ("warranty=yes", "one of 1, 0"),
    ],
)
def test_a_bad_search_is_refused_by_name(town: Town, query: str, allowed: str) -> None:
    page = pages.page(town.buyer, f"/market/prompts?{query}", status=400)
    assert f"The parameter &#x27;{query.split('=')[0]}&#x27;" in page
    assert allowed in page
