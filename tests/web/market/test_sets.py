"""Sets: bought whole, put together, withdrawn."""

import pytest
from django.utils import timezone

from mintmark.market.models import PromptSet
from tests.web import markup
from tests.web.market import pages
from tests.web.market.pages import Town

pytestmark = pytest.mark.django_db


def test_a_set_is_bought_whole_at_its_discount_without_what_the_team_has(town: Town) -> None:
    more = town.stocked(2)
    town.curated(town.scene.secret, *[one.prompt for one in more])
    town.bought(more[0])
    assert "On-call starter" in pages.page(town.buyer, "/market/prompts")
    assert "your team has 1 of them" in pages.page(town.buyer, "/market/sets")
    page = pages.page(town.buyer, "/market/sets/starter")
    assert "Buy 2 prompts for 11.6 credits" in page
    assert "left out" in page
    page = pages.page(town.buyer, "/market/sets/starter/buy")
    assert "Buy 2 prompts for 11.6 credits" in page
    answer = pages.buying(town.buyer, "/market/sets/starter/buy")
    receipt = pages.page(town.buyer, answer["Location"])
    assert "acme/secret@1" in receipt
    assert "acme/coins-1@1" in receipt
    assert town.balance(town.cast.buyer) == "87.4"
    assert "has all of it already" in pages.page(town.buyer, "/market/sets/starter")


def test_a_set_that_is_not_whole_now_says_what_is_missing(town: Town) -> None:
    more = town.stocked(1)
    town.curated(town.scene.secret, more[0].prompt)
    town.market.withdraw_listing(
        caller=town.cast.as_(town.cast.seller), listing=more[0], reason="old", now=timezone.now()
    )
    assert "not for sale" in pages.page(town.buyer, "/market/sets/starter")
    page = pages.page(town.buyer, "/market/sets/starter/buy")
    assert "acme/coins-0@1 of the set is not for sale" in page
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
    page = markup.read(answer)
    assert says in page
    assert 'value="Kept"' in page
    assert not PromptSet.objects.exists()


def test_a_set_is_withdrawn_by_its_team_alone(town: Town) -> None:
    town.curated(town.scene.secret)
    assert "Withdraw On-call starter" not in pages.page(town.buyer, "/market/sets/starter")
    assert town.buyer.post("/market/sets/starter/withdraw").status_code == 403
    assert town.seller.get("/market/sets/starter/withdraw").status_code == 405
    assert town.seller.post("/market/sets/starter/withdraw").status_code == 302
    assert "This set was withdrawn" in pages.page(town.buyer, "/market/sets/starter")
    assert "No sets yet" in pages.page(town.buyer, "/market/sets")
