"""Buying over HTTP: once for each key, at the price that was seen, or not at all."""

from typing import Any

import pytest

from mintmark.api.models import IdempotentResponse
from mintmark.market.models import Purchase
from mintmark.tokens.models import Entry, Transfer
from tests.factories.api_world import Caller, World

from .test_bad_input import problem, stored


def buy(caller: Caller, world: World, *, key: str = "k1", **changes: Any) -> Any:
    """The answer to buying the fork for its price."""
    body = {"listing": world.listing_of_fork.pk, "price": "4"} | changes
    return caller.send("POST", "/purchases", body, Idempotency_Key=key)


def balance(caller: Caller) -> str:
    return str(caller.get("/wallets/me").json()["balance"])


def test_a_purchase_is_charged_once_and_its_text_is_the_buyers_to_read(world: World) -> None:
    caller = world.as_("stranger")
    made = buy(caller, world)
    assert made.status_code == 201
    assert made.json()["status"] == "bought"
    receipt = made.json()["receipt"]
    assert caller.get(made["Location"].removeprefix("/api/v1")).json() == receipt
    assert (receipt["total"], receipt["team"], receipt["buyer"]) == ("4", "rival", "stranger")
    assert balance(caller) == "96"
    assert caller.get(f"/prompts/{world.fork.pk}/text").status_code == 200


def test_the_same_key_again_answers_with_the_same_receipt_and_charges_nothing(world: World) -> None:
    caller = world.as_("stranger")
    first, again = buy(caller, world), buy(caller, world)
    assert "Idempotent-Replayed" not in first
    assert again["Idempotent-Replayed"] == "true"
    assert (again.status_code, again.content) == (201, first.content)
    assert again["Location"] == first["Location"]
    assert balance(caller) == "96"
    # The book holds to the key for ever; nothing is kept for a day beside it.
    assert not IdempotentResponse.objects.exists()


def test_the_same_key_for_another_purchase_is_refused(world: World) -> None:
    caller = world.as_("stranger")
    buy(caller, world)
    before = stored()
    for other in (
        {"listing": world.listing.pk, "price": "12.5"},
        {"price": "4.000001"},
        {"listing": None, "prompt_set": "starter", "price": "4"},
    ):
        problem(buy(caller, world, **other), 409, "idempotency_key_reused")
    assert stored() == before


def test_a_key_is_its_buyers_own(world: World) -> None:
    buy(world.as_("stranger"), world)
    theirs = world.as_("admin").send(
        "POST",
        "/purchases",
        {"listing": world.listing.pk, "price": "12.5", "team": "rival"},
        Idempotency_Key="k1",
    )
    assert (theirs.status_code, "Idempotent-Replayed" in theirs) == (201, False)


@pytest.mark.parametrize("path", ["/purchases", "/wallets/me/gifts", "/prompts/1/ratings"])
def test_a_write_to_a_book_needs_a_key(world: World, path: str) -> None:
    caller, before = world.as_("stranger"), stored()
    bodies = {
        "/purchases": {"listing": world.listing.pk, "price": "12.5"},
        "/wallets/me/gifts": {"to": "outsider", "amount": "1"},
        "/prompts/1/ratings": {"stars": 5},
    }
    found = problem(caller.send("POST", path, bodies[path]), 422, "invalid_request")
    assert [place["place"] for place in found["places"]] == ["header.Idempotency-Key"]
    for key in ("", "k" * 201, "tab\tbed", "schlüssel"):
        wrong = caller.send("POST", path, bodies[path], Idempotency_Key=key)
        found = problem(wrong, 422, "invalid_request")
        assert found["places"][0]["place"] == "header.Idempotency-Key"
    assert stored() == before


def test_a_changed_price_is_refused_and_not_charged(world: World) -> None:
    caller = world.as_("stranger")
    assert balance(caller) == "100"
    author = world.as_("author")
    path = f"/market/listings/{world.listing_of_fork.pk}/price"
    assert author.send("PUT", path, {"price": "5"}).json()["price"] == "5"
    before = stored()
    refused = problem(buy(caller, world), 409, "price_changed")
    assert "costs 5 credits now, not 4" in refused["detail"]
    assert stored() == before
    assert buy(caller, world, price="5").status_code == 201


def test_insufficient_funds_leave_no_trace_and_the_key_is_free(world: World) -> None:
    caller, author = world.as_("stranger"), world.as_("author")
    assert balance(caller) == "100"
    path = f"/market/listings/{world.listing_of_fork.pk}/price"
    author.send("PUT", path, {"price": "150"})
    before = stored()
    refused = problem(buy(caller, world, price="150"), 409, "insufficient_funds")
    assert "150" in refused["detail"]
    assert (stored(), balance(caller)) == (before, "100")
    assert caller.get(f"/prompts/{world.fork.pk}/text").status_code == 403
    gift = {"to": "stranger", "amount": "60"}
    assert author.send("POST", "/wallets/me/gifts", gift, Idempotency_Key="g").status_code == 201
    assert buy(caller, world, price="150").status_code == 201


def test_a_buyer_cannot_buy_twice(world: World) -> None:
    caller = world.as_("stranger")
    buy(caller, world)
    before = stored()
    problem(buy(caller, world, key="k2"), 409, "already_owned")
    assert stored() == before


def test_what_is_off_the_market_is_not_sold(world: World) -> None:
    author, caller = world.as_("author"), world.as_("stranger")
    listing = f"/market/listings/{world.listing_of_fork.pk}"
    problem(author.send("DELETE", listing), 422, "invalid_reason")
    for _ in range(2):  # the second time changes nothing
        assert author.send("DELETE", f"{listing}?reason=outdated").status_code == 204
    problem(buy(caller, world), 409, "price_changed")
    problem(
        buy(caller, world, listing=None, prompt_set="starter", price="14.85"),
        422,
        "invalid_prompt_set",
    )
    shown = caller.get(listing).json()
    assert (shown["withdrawal_reason"], shown["withdrawn_at"] is None) == ("outdated", False)
    references = [
        item["prompt"]["reference"] for item in caller.get("/market/listings").json()["items"]
    ]
    assert references == ["mint/summary@1"]


@pytest.mark.parametrize(
    "changes", [{"listing": None}, {"prompt_set": "starter"}, {"listing": "x"}, {"surprise": 1}]
)
def test_a_purchase_is_of_one_thing(world: World, changes: dict[str, Any]) -> None:
    found = problem(buy(world.as_("stranger"), world, **changes), 422, "invalid_request")
    assert found["places"]


def test_nothing_is_bought_that_there_is_not(world: World) -> None:
    caller = world.as_("stranger")
    problem(buy(caller, world, listing=999_999), 404, "not_found")
    problem(buy(caller, world, listing=None, prompt_set="nothing"), 404, "not_found")
    problem(buy(caller, world, team="mint"), 403, "forbidden")


def test_a_set_is_quoted_without_what_the_team_holds_and_bought_in_one_transfer(
    world: World,
) -> None:
    caller = world.as_("stranger")
    quote = caller.get("/market/sets/starter").json()
    assert (quote["for_team"], quote["complete"]) == ("rival", True)
    assert (quote["total"], quote["without_discount"]) == ("14.85", "16.5")
    assert [line["price"] for line in quote["lines"]] == ["11.25", "3.6"]
    wanted = {"listing": None, "prompt_set": "starter"}
    problem(buy(caller, world, **wanted, price="16.5"), 409, "price_changed")
    receipt = buy(caller, world, **wanted, price="14.85").json()["receipt"]
    assert (receipt["total"], receipt["prompt_set"]) == ("14.85", "starter")
    assert [line["price"] for line in receipt["lines"]] == ["11.25", "3.6"]
    assert len({line["transfer"] for line in receipt["lines"]}) == 1
    after = caller.get("/market/sets/starter").json()
    assert (after["total"], [line["entitled"] for line in after["lines"]]) == ("0", [True, True])
    problem(buy(caller, world, **wanted, price="14.85", key="k2"), 409, "already_owned")


def test_a_set_can_be_withdrawn_and_is_then_offered_to_nobody(world: World) -> None:
    author = world.as_("author")
    assert author.send("DELETE", "/market/sets/starter").status_code == 204
    caller = world.as_("stranger")
    assert caller.get("/market/sets").json()["items"] == []
    assert caller.get("/market/sets/starter").json()["complete"] is False
    wanted = {"listing": None, "prompt_set": "starter", "price": "14.85"}
    problem(buy(caller, world, **wanted), 422, "invalid_prompt_set")


def test_an_assistant_beyond_its_mandate_asks_and_a_person_decides(world: World) -> None:
    assistant, operator = world.as_("outsider"), world.as_("stranger")
    world.funded("20")
    asked = buy(assistant, world)
    assert (asked.status_code, asked.json()["status"]) == (201, "waiting")
    waiting = asked.json()["request"]
    where = asked["Location"].removeprefix("/api/v1")
    assert operator.get(where).json() == waiting
    assert waiting["assistant"]["name"] == "outsider"
    again = buy(assistant, world)
    assert (again["Idempotent-Replayed"], again.content) == ("true", asked.content)
    problem(buy(assistant, world, price="4.5"), 409, "idempotency_key_reused")
    assert not Purchase.objects.exists()

    problem(assistant.send("POST", f"{where}/confirm"), 403, "forbidden")
    made = operator.send("POST", f"{where}/confirm")
    assert (made.status_code, made.json()["status"]) == (201, "bought")
    assert made["Location"].endswith(f"/purchases/{made.json()['receipt']['transfer']}")
    for step in ("confirm", "decline"):
        problem(operator.send("POST", f"{where}/{step}"), 409, "already_decided")
    told = buy(assistant, world).json()
    assert (told["status"], told["receipt"]) == ("bought", made.json()["receipt"])
    assert told["request"]["decided_by"] == "stranger"
    assert balance(assistant) == "16"


def test_a_declined_request_stays_declined(world: World) -> None:
    operator, assistant = world.as_("stranger"), world.as_("outsider")
    where = f"/purchase-requests/{world.request.pk}"
    declined = operator.send("POST", f"{where}/decline")
    assert (declined.status_code, declined.json()["state"]) == (200, "declined")
    wanted = {"listing": world.listing.pk, "price": "12.5"}
    assert buy(assistant, world, key="asked", **wanted).json()["status"] == "declined"
    listed = operator.get("/purchase-requests?state=waiting").json()["items"]
    assert listed == []
    assert len(operator.get("/purchase-requests").json()["items"]) == 1


def test_an_assistant_within_its_mandate_buys_by_itself(world: World) -> None:
    operator, assistant = world.as_("stranger"), world.as_("outsider")
    path = f"/assistants/{world.outsider.pk}/mandate"
    assert operator.get(path).json()["set_by"] is None
    mandate = {"per_purchase": "4", "per_day": "10", "trust_floor": 0.0}
    given = operator.send("PUT", path, mandate).json()
    assert (given["per_purchase"], given["per_day"], given["set_by"]) == ("4", "10", "stranger")
    problem(buy(assistant, world), 409, "insufficient_funds")
    world.funded("20")
    assert buy(assistant, world).json()["status"] == "bought"


def test_receipts_are_for_those_who_bought(world: World) -> None:
    transfer = world.bought()
    for who, status in (
        ("stranger", 200), ("outsider", 200), ("auditor", 200), ("operator", 404), ("scout", 404), ("treasurer", 404),
    ):  # fmt: skip
        assert world.as_(who).get(f"/purchases/{transfer}").status_code == status, who
    assert world.as_("author").get("/purchases").json()["items"] == []
    mine = world.as_("stranger").get(f"/purchases?prompt={world.fork.pk}").json()["items"]
    assert [row["transfer"] for row in mine] == [transfer]
    # A transfer that is no purchase is no receipt.
    gift = Transfer.objects.exclude(cause="purchase").first()
    assert gift is not None
    problem(world.as_("admin").get(f"/purchases/{gift.pk}"), 404, "not_found")


def test_every_purchase_balances(world: World) -> None:
    receipt = buy(world.as_("stranger"), world).json()["receipt"]
    moved = Entry.objects.filter(transfer=receipt["transfer"])
    assert sum(moved.values_list("amount_micro", flat=True)) == 0
