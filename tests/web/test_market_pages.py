"""The market's pages: what each shows to whom, what buying does once, and what is refused and how it is said."""

import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from mintmark.accounts.models import Membership, Role, Team, User
from mintmark.core import money
from mintmark.market.listings import Offer, WarrantyTerms
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.market.models import PromptSet, PromptTokenListing, Purchase, RoyaltyTerm
from mintmark.registry.models import Codex, CodexContract, Entitlement, Prompt, Tombstone
from mintmark.tokens import wallets
from mintmark.web import market as market_page
from tests.cast import person
from tests.web.scene import SECRET, Scene

pytestmark = pytest.mark.django_db

PREVIEW = "Weighs coins for you."


@dataclass
class Town:
    """The scene with a market: the seller's secret is listed for 12.5 tokens, and 100 tokens are in each wallet."""

    scene: Scene
    market: SymbolicPromptTokenMarketplace = field(default_factory=SymbolicPromptTokenMarketplace)

    def __post_init__(self) -> None:
        self.cast = self.scene.cast
        self.listing = self.listed(self.scene.secret, "12.5", preview=PREVIEW, royalty_bp=1_000)

    @property
    def seller(self) -> Client:
        return self.scene.client(self.cast.seller)

    @property
    def buyer(self) -> Client:
        return self.scene.client(self.cast.buyer)

    @property
    def stranger(self) -> Client:
        return self.scene.client(self.cast.stranger)

    def listed(
        self, prompt: Prompt, price: str, *, by: User | None = None, **terms: Any
    ) -> PromptTokenListing:
        offer = Offer(prompt=prompt, token_cost=price, **({"licence": "MIT"} | terms))
        caller = self.cast.as_(by or self.cast.seller)
        return self.market.list_prompt(caller=caller, offer=offer, now=timezone.now())

    def stocked(self, count: int, **terms: Any) -> list[PromptTokenListing]:
        """That many more listings of the seller, each dearer than the one before."""
        made = []
        for n in range(count):
            text = f"Count the coins of {{chest}} in way {n}."
            prompt = self.cast.written(
                f"acme/coins-{n}", text, is_open=False, tags=("task:triage", f"way:{n % 3}")
            )
            made.append(self.listed(prompt, str(n + 1), **terms))
        return made

    def curated(self, *prompts: Prompt, discount_bp: int = 2_000) -> PromptSet:
        return self.market.curate(
            caller=self.cast.as_(self.cast.seller), team=self.cast.sellers, name="starter",
            title="On-call starter", prompts=prompts, discount_bp=discount_bp, now=timezone.now(),
        )  # fmt: skip

    def balance(self, user: User) -> str:
        principal = self.cast.as_(user).principal
        return money.shown(wallets.opened(principal=principal, now=timezone.now()).balance_micro)

    def bought(self, listing: PromptTokenListing | None = None) -> int:
        """The transfer by which the buyer has bought a listing."""
        one = listing or self.listing
        self.market.buy(
            caller=self.cast.as_(self.cast.buyer), listing=one.pk, price_micro=one.price_micro,
            key=f"by-verb-{one.pk}", now=timezone.now(),
        )  # fmt: skip
        return Purchase.objects.get(listing=one).transfer_id


@pytest.fixture
def town(scene: Scene) -> Town:
    return Town(scene)


def _page(client: Client, path: str, status: int = 200, **headers: str) -> str:
    answer = client.get(path, headers=headers)
    assert answer.status_code == status, answer.content.decode()[:2000]
    return answer.content.decode()


def _cards(page: str) -> list[str]:
    return re.findall(r'<h3 id="listing-\d+"><a class="name" href="[^"]+">([^<]+)<', page)


def _form(page: str) -> dict[str, str]:
    """What the form of the page's buying button would send."""
    form = page.split('class="buy"')[1].split("</form>")[0]
    return dict(re.findall(r'name="(team|price|key)" value="([^"]*)"', form))


def _buying(client: Client, path: str, **changes: str) -> HttpResponse:
    sent = _form(_page(client, path)) | changes
    return client.post(path, sent)  # type: ignore[return-value]


# The search.


def test_a_card_says_what_speaks_for_a_prompt_and_what_it_costs(town: Town) -> None:
    page = _page(town.buyer, f"/market/prompts?assistant={town.cast.scout.pk}")
    for words in ("12.5", "for scout", "all assistants", "MIT", "forks owe 10%", PREVIEW):
        assert words in page
    assert page.count('<svg class="interval') == 2
    assert "adopted by no assistant yet" in page
    assert f"/market/prompts/{town.listing.pk}/buy" in page


def test_a_card_says_how_far_it_is_adopted_and_what_it_promises(town: Town) -> None:
    warranty = WarrantyTerms(ritual=town.cast.triage, floor=0.625, runs=20, days=14)
    other = town.cast.written("acme/warm", "Warm {coin}.", is_open=False)
    town.listed(other, "1", warranty=warranty)
    PromptTokenListing.objects.filter(prompt=other).update(swarm_adoption_score=5 / 16)
    page = _page(town.buyer, "/market/prompts?warranty=1")
    assert _cards(page) == ["acme/warm@1"]
    assert "adopted by 31% of the swarm" in page
    assert "warranty: at least 0.625 on triage-cases, 20 runs, 14 days" in page
    assert "<strong>1</strong> token<" in page


def test_what_one_has_is_put_to_work_and_what_is_ones_own_is_managed(town: Town) -> None:
    assert "your team has it" not in _page(town.buyer, "/market/prompts")
    town.bought()
    page = _page(town.buyer, "/market/prompts")
    assert "your team has it" in page
    assert f"/prompts/{town.scene.secret.pk}/inject" in page
    assert "/buy" not in page
    page = _page(town.seller, "/market/prompts")
    assert f"/market/prompts/{town.listing.pk}/manage" in page
    assert "/buy" not in page


def test_the_market_is_narrowed_by_everything_at_once_and_each_filter_is_taken_off_alone(
    town: Town,
) -> None:
    town.stocked(4)
    query = "?q=coins&tag=way:1&licence=MIT&price_from=2&price_to=2.5&trust_from=0"
    page = _page(town.buyer, f"/market/prompts{query}&task={town.cast.triage.pk}")
    assert _cards(page) == ["acme/coins-1@1"]
    chips = page.split('class="narrowed"')[1].split("</ul>")[0]
    links = re.findall(r'href="([^"]+)"', chips)
    assert len(links) == 6
    assert all(link.count("=") == 6 for link in links)
    assert _cards(_page(town.buyer, "/market/prompts?price_to=0")) == []
    assert _cards(_page(town.buyer, "/market/prompts?trust_from=1")) == []


def test_facets_are_links_with_counts_that_keep_the_query(town: Town) -> None:
    town.stocked(4)
    facets = _page(town.buyer, "/market/prompts?q=coins").split('id="narrow"')[1]
    tag = re.search(r'href="\?q=coins&amp;tag=way%3A0">way:0</a> <span class="soft">(\d+)', facets)
    assert tag is not None
    assert tag[1] == "2"
    assert f"task={town.cast.triage.pk}" in facets
    assert "licence=MIT" in facets


@pytest.mark.parametrize("order", [order for order, _ in market_page.ORDERS])
def test_every_order_can_be_paged_to_its_end_by_its_links(
    town: Town, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    monkeypatch.setattr(market_page, "CARDS_A_PAGE", 3)
    town.stocked(7)
    seen, query = [], f"?order={order}&assistant={town.cast.scout.pk}"
    while query:
        page = _page(town.buyer, f"/market/prompts{query}")
        seen += _cards(page)
        more = re.search(r'rel="next" href="([^"]+)"', page)
        query = more[1].replace("&amp;", "&") if more else ""
    assert len(seen) == len(set(seen)) == 8


def test_prices_order_both_ways(town: Town) -> None:
    town.stocked(3)
    rising = _cards(_page(town.buyer, "/market/prompts?order=price"))
    assert rising == ["acme/coins-0@1", "acme/coins-1@1", "acme/coins-2@1", "acme/secret@1"]
    assert _cards(_page(town.buyer, "/market/prompts?order=-price")) == rising[::-1]


def test_what_is_typed_finds_a_fragment_of_the_same_page(town: Town) -> None:
    part = _page(town.buyer, "/market/prompts?q=secret", **{"HX-Request": "true"})
    assert "<html" not in part
    assert _cards(part) == ["acme/secret@1"]


def test_the_text_is_not_searched(town: Town) -> None:
    assert _cards(_page(town.buyer, "/market/prompts?q=twice")) == []


def test_an_empty_market_teaches_and_a_search_that_finds_nothing_says_what_to_do(
    scene: Scene,
) -> None:
    page = _page(scene.client(scene.cast.seller), "/market/prompts")
    assert "Nothing is offered yet" in page
    assert f"/prompts/{scene.secret.pk}/list" in page
    assert "/api/v1/prompts" in _page(scene.client(scene.cast.stranger), "/market/prompts")
    page = _page(scene.client(scene.cast.buyer), "/market/prompts?q=zzz&tag=none")
    assert "No listing fits" in page
    assert "Take off a filter" in page


@pytest.mark.parametrize(
    ("query", "allowed"),
    [
        ("price_from=-1", "an amount of tokens"),
        ("price_to=NaN", "an amount of tokens"),
        ("price_to=1e30", "an amount of tokens"),
        ("price_from=0.0000001", "an amount of tokens"),
        ("trust_from=2", "a number from 0 to 1"),
        ("order=luck", "one of trust"),
        ("after=here", "a place in the list"),
        ("after=nan_3", "a place in the list"),
        ("assistant=scout", "a whole number"),
        ("warranty=yes", "one of 1, 0"),
    ],
)
def test_a_bad_search_is_refused_by_name(town: Town, query: str, allowed: str) -> None:
    page = _page(town.buyer, f"/market/prompts?{query}", status=400)
    assert f"The parameter &#x27;{query.split('=')[0]}&#x27;" in page
    assert allowed in page


# A listing.


def test_a_stranger_sees_everything_of_a_listing_but_its_text(town: Town) -> None:
    page = _page(town.stranger, f"/market/prompts/{town.listing.pk}")
    for words in (
        PREVIEW, "Trust over all assistants", "Who is paid", "its fee", "0.625", "11.875", "Warranty",
        "Nobody has bought it yet", "buyers may fork it and sell the fork", "scout",
    ):  # fmt: skip
        assert words in page
    part = _page(town.stranger, f"/market/prompts/{town.listing.pk}", **{"HX-Request": "true"})
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
            assert "weigh {coin}" not in town.scene.client(user).get(path).content.decode(), path
    # The buyer has the child: its text is his, and the parent's is not in any difference.
    page = _page(town.buyer, f"/market/prompts/{forked.pk}")
    assert "And again." in page
    assert "shown to those who may read both texts" in page
    assert "weigh {coin}" not in _page(town.buyer, f"/market/prompts/{town.listing.pk}")


def test_who_may_read_both_texts_sees_what_a_fork_changes(town: Town) -> None:
    child = town.cast.written(
        "acme/secret-2", SECRET.replace("twice", "thrice"), parent=town.scene.secret, is_open=False
    )
    forked = town.listed(child, "3")
    page = _page(town.seller, f"/market/prompts/{forked.pk}")
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
    part = _page(town.stranger, f"/market/prompts/{listing.pk}").split("Who is paid")[1]
    table = part.split("</table>")[0]
    assert re.findall(r'<td class="number">([\d.]+)</td>', table) == ["1", "1.9", "17.1", "20"]
    assert "royalty for" in table
    assert "10% royalty to acme/secret@1" in _page(town.stranger, "/market/prompts")


def test_the_three_scores_come_with_the_counts_behind_them(town: Town) -> None:
    codex = Codex.objects.create(name="house", clauses=[])
    CodexContract.objects.create(prompt=town.scene.secret, codex=codex)
    town.bought()
    market = town.market
    market.inject(
        caller=town.cast.as_(town.cast.buyer), prompt=town.scene.secret, assistant=town.cast.scout,
        now=timezone.now(),
    )  # fmt: skip
    page = _page(town.stranger, f"/market/prompts/{town.listing.pk}")
    assert "1 of 1 active assistants has it at work now" in page
    assert "1 of 1 recent uses kept every blocking clause" in page
    assert "on 1 of 1 purchases (100%)" in page


def test_steps_show_what_is_done_and_open_the_next(town: Town) -> None:
    path = f"/market/prompts/{town.listing.pk}"
    page = _page(town.buyer, path)
    assert "Buy for 12.5 tokens" in page
    assert "Once your team has it." in page
    transfer = town.bought()
    page = _page(town.buyer, path)
    assert f"/market/receipts/{transfer}" in page
    assert f"/prompts/{town.scene.secret.pk}/inject" in page
    assert f"/prompts/{town.scene.secret.pk}/rate" in page
    assert f"/prompts/{town.scene.secret.pk}/fork" in page
    assert page.count(" (done)") == 2  # bought, and used before by evidence
    own = _page(town.seller, path)
    assert "It is your team&#x27;s own." in own
    assert f"/prompts/{town.scene.secret.pk}/rate" not in own


def test_a_licence_that_forbids_forks_says_so_at_the_step(town: Town) -> None:
    other = town.cast.written("acme/closed", "Closed {x}.", is_open=False)
    listing = town.listed(other, "1", licence="CC-BY-ND-4.0")
    town.bought(listing)
    page = _page(town.buyer, f"/market/prompts/{listing.pk}")
    assert "Its licence does not allow it (CC-BY-ND-4.0)" in page
    assert f"/prompts/{other.pk}/fork" not in page


def test_a_promise_that_was_not_kept_is_shown_to_everybody(town: Town) -> None:
    warranty = WarrantyTerms(ritual=town.cast.triage, floor=0.7, runs=10, days=7)
    other = town.cast.written("acme/warm", "Warm {coin}.", is_open=False)
    listing = town.listed(other, "4", warranty=warranty)
    town.bought(listing)
    town.cast.record(
        town.cast.outcome(score=0.4, prompt=other.pk), now=timezone.now() + timedelta(seconds=1)
    )
    town.market.settle(now=timezone.now() + timedelta(seconds=2))
    page = _page(town.stranger, f"/market/prompts/{listing.pk}")
    assert "Where it fell short" in page
    assert re.search(r"title=\"0.4\">0.40<", page)
    receipt = _page(town.buyer, f"/market/receipts/{Purchase.objects.get().transfer_id}")
    assert "Refunded" in receipt


def test_a_withdrawn_listing_says_so_and_sells_nothing(town: Town) -> None:
    town.market.withdraw_listing(
        caller=town.cast.as_(town.cast.seller), listing=town.listing, reason="rewritten",
        now=timezone.now(),
    )  # fmt: skip
    page = _page(town.buyer, f"/market/prompts/{town.listing.pk}")
    assert "rewritten" in page
    assert "Buy for" not in page
    page = _page(town.buyer, f"/market/prompts/{town.listing.pk}/buy")
    assert "is not offered under this listing any more" in page
    again = town.listed(town.scene.secret, "15")
    assert f"/market/prompts/{again.pk}" in _page(town.buyer, f"/market/prompts/{town.listing.pk}")


# Buying.


def test_buying_names_wallet_price_and_balance_and_leads_to_the_receipt(town: Town) -> None:
    path = f"/market/prompts/{town.listing.pk}/buy"
    page = _page(town.buyer, path)
    for words in ("100 tokens", "87.5 tokens", "Buy for 12.5 tokens", "buyers"):
        assert words in page
    answer = _buying(town.buyer, path)
    assert answer.status_code == 302
    assert answer["Location"] == f"/market/receipts/{Purchase.objects.get().transfer_id}"
    assert town.balance(town.cast.buyer) == "87.5"
    assert Entitlement.objects.filter(prompt=town.scene.secret, team=town.cast.buyers).exists()


def test_a_double_click_buys_once(town: Town) -> None:
    client, path = town.buyer, f"/market/prompts/{town.listing.pk}/buy"
    sent = _form(_page(client, path))
    first, second = client.post(path, sent), client.post(path, sent)
    assert first["Location"] == second["Location"]
    assert town.balance(town.cast.buyer) == "87.5"
    receipt = _page(client, first["Location"])
    assert receipt.count("Bought for 12.5 tokens.") == 1
    assert "Bought for" not in _page(client, first["Location"])


def test_a_page_that_is_loaded_twice_has_two_keys_and_the_second_purchase_is_refused(
    town: Town,
) -> None:
    client, path = town.buyer, f"/market/prompts/{town.listing.pk}/buy"
    one, other = (_form(_page(client, path)) for _ in range(2))
    assert one["key"] != other["key"]
    client.post(path, one)
    answer = client.post(path, other)
    assert answer.status_code == 422
    assert "Nothing was charged" in answer.content.decode()
    assert town.balance(town.cast.buyer) == "87.5"


def test_a_changed_price_is_shown_and_asked_again(town: Town) -> None:
    client, path = town.buyer, f"/market/prompts/{town.listing.pk}/buy"
    sent = _form(_page(client, path))
    town.market.reprice(
        caller=town.cast.as_(town.cast.seller), listing=town.listing, token_cost="15"
    )
    answer = client.post(path, sent)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "it was 12.5 tokens when you looked, and is 15 tokens now" in page
    assert "Buy for 15 tokens" in page
    assert not Purchase.objects.exists()
    again = _form(page)
    assert again["key"] != sent["key"]
    assert client.post(path, again).status_code == 302
    assert town.balance(town.cast.buyer) == "85"


def test_a_price_made_up_in_the_form_buys_nothing(town: Town) -> None:
    for price in ("1", "0", "", "99999999999999999"):
        answer = _buying(town.buyer, f"/market/prompts/{town.listing.pk}/buy", price=price)
        assert answer.status_code in (400, 422)
    assert not Purchase.objects.exists()


def test_too_few_tokens_are_named_and_leave_no_trace(town: Town) -> None:
    path = f"/market/prompts/{town.listing.pk}/buy"
    sent = _form(_page(town.buyer, path))
    town.market.reprice(
        caller=town.cast.as_(town.cast.seller), listing=town.listing, token_cost="250"
    )
    page = _page(town.buyer, path)
    assert "150 tokens short" in page
    assert "mintmark mint buyer 150" in page
    assert 'class="buy"' not in page
    answer = town.buyer.post(path, sent | {"price": "250000000"})
    assert answer.status_code == 422
    assert not Purchase.objects.exists()
    assert town.balance(town.cast.buyer) == "100"


def test_buying_for_one_of_several_teams(town: Town) -> None:
    guests = Team.objects.create(name="guests")
    Membership.objects.create(user=town.cast.buyer, team=guests, role=Role.AUTHOR)
    path = f"/market/prompts/{town.listing.pk}/buy"
    assert "For team" in _page(town.buyer, path)
    assert _buying(town.buyer, f"{path}?team={guests.pk}").status_code == 302
    assert Purchase.objects.get().team == guests
    assert "Team guests may use" in _page(town.buyer, f"{path}?team={guests.pk}")
    assert 'class="buy"' in _page(town.buyer, path)


def test_a_team_that_is_not_ones_own_is_not_bought_for(town: Town) -> None:
    others = Team.objects.create(name="others")
    answer = _buying(town.buyer, f"/market/prompts/{town.listing.pk}/buy", team=str(others.pk))
    assert answer.status_code == 422
    assert not Purchase.objects.exists()


def test_who_has_no_team_reads_what_it_takes(town: Town) -> None:
    path = f"/market/prompts/{town.listing.pk}/buy"
    page = _page(town.stranger, path)
    assert "Buying takes the role" in page
    assert 'class="buy"' not in page
    sent = {"team": str(town.cast.buyers.pk), "price": "12500000", "key": "mine"}
    assert town.stranger.post(path, sent).status_code == 422
    assert not Purchase.objects.exists()


def test_ones_own_is_not_bought(town: Town) -> None:
    page = _page(town.seller, f"/market/prompts/{town.listing.pk}/buy")
    assert "team sellers&#x27;s own" in page
    assert 'class="buy"' not in page


def test_a_form_without_its_token_buys_nothing(town: Town) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(town.cast.buyer)
    sent = {"team": str(town.cast.buyers.pk), "price": "12500000", "key": "mine"}
    assert client.post(f"/market/prompts/{town.listing.pk}/buy", sent).status_code == 403
    assert not Purchase.objects.exists()


# Sets.


def test_a_set_is_bought_whole_at_its_discount_without_what_the_team_has(town: Town) -> None:
    more = town.stocked(2)
    town.curated(town.scene.secret, *[one.prompt for one in more])
    town.bought(more[0])
    assert "On-call starter" in _page(town.buyer, "/market/prompts")
    assert "your team has 1 of them" in _page(town.buyer, "/market/sets")
    page = _page(town.buyer, "/market/sets/starter")
    assert "Buy 2 prompts for 11.6 tokens" in page
    assert "left out" in page
    page = _page(town.buyer, "/market/sets/starter/buy")
    assert "Buy 2 prompts for 11.6 tokens" in page
    answer = _buying(town.buyer, "/market/sets/starter/buy")
    receipt = _page(town.buyer, answer["Location"])
    assert "acme/secret@1" in receipt
    assert "acme/coins-1@1" in receipt
    assert town.balance(town.cast.buyer) == "87.4"
    assert "has all of it already" in _page(town.buyer, "/market/sets/starter")


def test_a_set_that_is_not_whole_now_says_what_is_missing(town: Town) -> None:
    more = town.stocked(1)
    town.curated(town.scene.secret, more[0].prompt)
    town.market.withdraw_listing(
        caller=town.cast.as_(town.cast.seller), listing=more[0], reason="old", now=timezone.now()
    )
    assert "not offered now" in _page(town.buyer, "/market/sets/starter")
    page = _page(town.buyer, "/market/sets/starter/buy")
    assert "acme/coins-0@1 of the set is not offered" in page
    assert 'class="buy"' not in page


def test_a_set_is_put_together_in_the_order_of_its_places(town: Town) -> None:
    more = town.stocked(2, max_discount_bp=1_000)
    form = {
        "team": town.cast.buyers.pk, "title": "Mine", "name": "mine", "discount": "10", "description": "Two.",
        f"place.{more[0].prompt_id}": "2", f"place.{more[1].prompt_id}": "1",
    }  # fmt: skip
    answer = town.buyer.post("/market/sets/new", form)
    assert answer["Location"] == "/market/sets/mine"
    made = PromptSet.objects.get(name="mine")
    assert [item.prompt for item in made.items.order_by("position")] == [
        more[1].prompt, more[0].prompt,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"name": "Not So"}, "use 1 to 64 of a-z"),
        ({"name": "new"}, "choose another"),
        ({"discount": "20"}, "allows sets a discount of"),
        ({"discount": "ten"}, "a percentage"),
        ({"place": "first"}, "is not a whole number"),
        ({"place": ""}, "1 to 100 prompts"),
        ({"team": "999"}, "Choose a team"),
    ],
)
def test_a_set_that_can_not_be_made_says_why_and_keeps_what_was_typed(
    town: Town, changes: dict[str, str], says: str
) -> None:
    one = town.stocked(1, max_discount_bp=1_000)[0]
    form = {"team": str(town.cast.buyers.pk), "title": "Kept", "name": "kept", "discount": "10"}
    form |= changes
    form[f"place.{one.prompt_id}"] = form.pop("place", "1")
    answer = town.buyer.post("/market/sets/new", form)
    assert answer.status_code == 422
    page = answer.content.decode()
    assert says in page
    assert 'value="Kept"' in page
    assert not PromptSet.objects.exists()


def test_a_set_is_withdrawn_by_its_team_alone(town: Town) -> None:
    town.curated(town.scene.secret)
    assert "off the market" not in _page(town.buyer, "/market/sets/starter")
    assert town.buyer.post("/market/sets/starter/withdraw").status_code == 403
    assert town.seller.get("/market/sets/starter/withdraw").status_code == 405
    assert town.seller.post("/market/sets/starter/withdraw").status_code == 302
    assert "This set was withdrawn" in _page(town.buyer, "/market/sets/starter")
    assert "No set is offered yet" in _page(town.buyer, "/market/sets")


# Receipts.


def test_a_receipt_is_for_the_buyers_team_admins_and_auditors(town: Town) -> None:
    path = f"/market/receipts/{town.bought()}"
    colleague = person("colleague", Role.OPERATOR, team=town.cast.buyers)
    for user in (town.cast.buyer, colleague, town.scene.admin, town.cast.auditor):
        assert town.scene.client(user).get(path).status_code == 200
    for user in (town.cast.seller, town.cast.stranger):
        assert town.scene.client(user).get(path).status_code == 404


def test_a_receipt_has_the_entries_of_its_transfer_and_balances_for_their_owner_alone(
    town: Town,
) -> None:
    path = f"/market/receipts/{town.bought()}"
    book = _page(town.buyer, path).split('id="book"')[1]
    for amount in ("−12.5", "+0.625", "+11.875", "87.5"):
        assert amount in book
    assert "87.5" not in _page(town.scene.client(town.cast.auditor), path).split('id="book"')[1]
    assert f"/prompts/{town.scene.secret.pk}/inject" in _page(town.buyer, path)


def test_no_transfer_but_a_purchase_has_a_receipt(town: Town) -> None:
    town.balance(town.cast.buyer)  # the opening grant
    for transfer in (1, 2, 999_999):
        assert town.scene.client(town.scene.admin).get(
            f"/market/receipts/{transfer}"
        ).status_code == (404)


# Selling.


def test_a_prompt_of_ones_own_is_listed_with_every_term(town: Town) -> None:
    prompt = town.cast.written("acme/fresh", "Fresh {x}.", is_open=False)
    path = f"/prompts/{prompt.pk}/list"
    page = _page(town.seller, path)
    assert "buyers may fork it, not sell the fork" in page
    assert "The house keeps 5% of each sale" in page
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
    assert "on the market for 7.25 tokens" in _page(seller, answer["Location"])
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
        ({"royalty": "1.234"}, "a percentage with two decimals"),
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
    page = answer.content.decode()
    assert answer.status_code == 422
    assert says in page
    assert "Kept words." in page or "preview" in changes
    assert not PromptTokenListing.objects.filter(prompt=prompt).exists()


def test_only_authors_of_its_team_list_and_manage_a_prompt(town: Town) -> None:
    prompt = town.cast.written("acme/fresh", "Fresh {x}.", is_open=False)
    for client in (town.buyer, town.stranger):
        for path in (f"/prompts/{prompt.pk}/list", f"/market/prompts/{town.listing.pk}/manage"):
            assert client.get(path).status_code == 403
            sent = {"token_cost": "1", "do": "entomb", "reason": "mine now"}
            assert client.post(path, sent).status_code == 403
    assert not Tombstone.objects.exists()


def test_an_open_text_is_not_sold(town: Town) -> None:
    path = f"/prompts/{town.scene.never_run.pk}/list"
    assert "there is nothing to sell" in _page(town.seller, path)
    answer = town.seller.post(path, {"token_cost": "1", "licence": "MIT"})
    assert answer.status_code == 422


def test_a_listing_is_repriced_and_says_what_it_was(town: Town) -> None:
    path = f"/market/prompts/{town.listing.pk}/manage"
    answer = town.seller.post(path, {"do": "reprice", "token_cost": "20"}, follow=True)
    assert "It costs 20 tokens from now on; it was 12.5." in answer.content.decode()
    answer = town.seller.post(path, {"do": "reprice", "token_cost": "-3"})
    assert answer.status_code == 422
    assert 'value="-3"' in answer.content.decode()
    town.listing.refresh_from_db()
    assert town.listing.price == "20"


def test_a_listing_is_withdrawn_with_a_reason_and_can_be_offered_again(town: Town) -> None:
    path = f"/market/prompts/{town.listing.pk}/manage"
    assert town.seller.post(path, {"do": "withdraw", "reason": " "}).status_code == 422
    page = town.seller.post(
        path, {"do": "withdraw", "reason": "rewritten"}, follow=True
    ).content.decode()
    assert "off the market" in page
    assert f"/prompts/{town.scene.secret.pk}/list" in page
    again = _page(town.seller, f"/prompts/{town.scene.secret.pk}/list")
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
    assert "for ever, out of 1 slot, and refund 4 tokens" in _page(town.seller, path)
    town.seller.post(path, {"do": "entomb", "reason": "it burns"})
    assert Tombstone.objects.get(prompt=other).reason == "it burns"
    assert town.balance(town.cast.buyer) == "100"
    assert "it burns" in _page(town.stranger, f"/market/prompts/{listing.pk}")
    assert "acme/warm@1" not in _page(town.buyer, "/market/prompts")


# All of them.


def _paths(town: Town) -> list[str]:
    town.curated(town.scene.secret)
    prompt = town.cast.written("acme/fresh", "Fresh {x}.", is_open=False)
    at = f"/market/prompts/{town.listing.pk}"
    return [
        "/market/prompts", at, f"{at}/buy", f"{at}/manage", "/market/sets", "/market/sets/new",
        "/market/sets/starter", "/market/sets/starter/buy", f"/market/receipts/{town.bought()}",
        f"/prompts/{prompt.pk}/list",
    ]  # fmt: skip


def test_no_page_needs_a_script_or_a_style_of_its_own(town: Town) -> None:
    client = town.scene.client(town.scene.admin)
    for path in _paths(town):
        answer = client.get(path)
        page = answer.content.decode()
        assert answer.status_code == 200, path
        assert "<style" not in page
        assert " style=" not in page
        assert page.count("<script") == page.count("<script src=") > 0
        # What htmx does, a link or a form does too.
        for tag in re.findall(r"<(\w+)[^>]* hx-(?:get|post)=", page):
            assert tag in ("a", "form"), path


def test_nobody_sees_the_market_without_signing_in(town: Town) -> None:
    for path in _paths(town):
        assert town.scene.client(None).get(path).status_code == 302, path


def test_what_does_not_exist_is_not_found(town: Town) -> None:
    for path in (
        "/market/prompts/999999", "/market/prompts/999999/buy", "/market/prompts/999999/manage",
        "/market/sets/none", "/market/sets/none/buy", "/prompts/999999/list",
        "/market/prompts?task=999999", "/market/prompts?assistant=999999",
    ):  # fmt: skip
        assert town.seller.get(path).status_code == 404, path


def test_the_first_load_of_the_market_weighs_less_than_a_hundred_kilobytes(town: Town) -> None:
    town.stocked(24)
    page = town.buyer.get("/market/prompts", headers={"Accept-Encoding": "gzip"}).content
    weight = len(page)
    for name in (
        "mintmark/style.css", "mintmark/market.css",
        "vendor/ibm-plex/ibm-plex-sans-latin-400-normal.woff2",
        "vendor/ibm-plex/ibm-plex-sans-latin-600-normal.woff2",
        "vendor/ibm-plex/ibm-plex-serif-latin-500-normal.woff2",
    ):  # fmt: skip
        found = finders.find(name)
        assert isinstance(found, str)
        with open(found, "rb") as file:
            weight += len(file.read())
    assert weight < 100_000
