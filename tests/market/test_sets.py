"""Prompt sets: one discount, one transfer, nothing bought twice."""

from typing import Any

import pytest

from mintmark.common import errors
from mintmark.market import prompt_sets
from mintmark.market.models import PromptSet, Purchase
from mintmark.market.prompt_sets import InvalidPromptSet
from mintmark.market.purchases import AlreadyOwned, PriceChanged, PurchaseResult
from mintmark.registry.models import Prompt
from tests.factories.market_fixture import Stall, entries, trace

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.both("what two may do at once is locked row by row there"),
]


@pytest.fixture
def shelf(stall: Stall) -> list[Prompt]:
    """Three prompts of the seller, listed for 10, 20 and 30."""
    prompts = [
        stall.cast.written(f"acme/part-{n}", f"Part {n} of {{it}}.", is_open=False)
        for n in (1, 2, 3)
    ]
    for n, prompt in enumerate(prompts, start=1):
        stall.listed(prompt, cost=10 * n)
    return prompts


def _set(stall: Stall, chosen: list[Prompt], **changes: Any) -> PromptSet:
    asked: dict[str, Any] = {
        "caller": stall.as_(stall.cast.seller), "team": stall.cast.sellers, "name": "starter",
        "title": "On-call starter", "prompts": chosen, "discount_bp": 2_000, "now": stall.now,
    }  # fmt: skip
    return stall.market.create_prompt_set(**(asked | changes))


def _buy(stall: Stall, made: PromptSet, price_micro: int, **changes: Any) -> PurchaseResult:
    asked: dict[str, Any] = {
        "caller": stall.as_(stall.cast.buyer), "prompt_set": made, "price_micro": price_micro,
        "idempotency_key": next(stall.keys), "now": stall.now,
    }  # fmt: skip
    receipt = stall.market.buy(**(asked | changes))
    assert isinstance(receipt, PurchaseResult)
    return receipt


def test_a_set_is_bought_in_one_transfer_at_its_discount(stall: Stall, shelf: list[Prompt]) -> None:
    receipt = _buy(stall, _set(stall, shelf), 48_000_000)
    assert [line.price_micro for line in receipt.items] == [8_000_000, 16_000_000, 24_000_000]
    assert entries(receipt.transfer)[stall.principal(stall.cast.buyer).pk] == -48_000_000
    assert Purchase.objects.filter(transfer=receipt.transfer).count() == 3


def test_what_the_team_may_use_already_is_left_out(stall: Stall, shelf: list[Prompt]) -> None:
    made = _set(stall, shelf)
    stall.bought(shelf[0].listings.get())
    quote = prompt_sets.build_quote(prompt_set=made, team_id=stall.cast.buyers.pk)
    assert (len(quote.items_to_buy), quote.total_micro) == (2, 40_000_000)
    with pytest.raises(PriceChanged):
        _buy(stall, made, 48_000_000)
    _buy(stall, made, 40_000_000)
    with pytest.raises(AlreadyOwned):
        _buy(stall, made, 0)


def test_the_same_key_again_answers_and_another_body_is_refused(
    stall: Stall, shelf: list[Prompt]
) -> None:
    made = _set(stall, shelf)
    first = _buy(stall, made, 48_000_000, idempotency_key="once")
    before = trace()
    assert _buy(stall, made, 48_000_000, idempotency_key="once").transfer == first.transfer
    with pytest.raises(errors.IdempotencyKeyReused):
        _buy(stall, made, 47_000_000, idempotency_key="once")
    assert trace() == before


def test_all_of_a_set_is_bought_or_nothing(stall: Stall, shelf: list[Prompt]) -> None:
    made = _set(stall, shelf, discount_bp=0)
    stall.market.reprice(
        caller=stall.as_(stall.cast.seller), listing=shelf[2].listings.get(), token_cost="90"
    )
    before = trace()
    with pytest.raises(errors.DomainError):
        _buy(stall, made, 120_000_000)
    assert trace() == before
    assert not Purchase.objects.exists()


def test_a_set_with_a_withdrawn_listing_says_so(stall: Stall, shelf: list[Prompt]) -> None:
    made = _set(stall, shelf)
    stall.market.withdraw_listing(
        caller=stall.as_(stall.cast.seller),
        listing=shelf[1].listings.get(),
        reason="out",
        now=stall.now,
    )
    with pytest.raises(InvalidPromptSet, match="part-2"):
        _buy(stall, made, 48_000_000)


def test_a_discount_binds_other_sellers_only_as_far_as_they_allow(
    stall: Stall, shelf: list[Prompt]
) -> None:
    theirs = {"caller": stall.as_(stall.third), "team": stall.thirds, "name": "theirs"}
    with pytest.raises(InvalidPromptSet, match="allows sets a discount of 0 percent"):
        _set(stall, shelf, **theirs)
    assert _set(stall, shelf, discount_bp=0, **theirs).discount_bp == 0
    consenting = stall.cast.written("acme/consents", "Yes {x}.", is_open=False)
    stall.listed(consenting, max_discount_bp=3_000)
    assert _set(stall, [consenting], **(theirs | {"name": "agreed"})).discount_bp == 2_000


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "Two Words"},
        {"title": " "},
        {"discount_bp": 9_001},
        {"discount_bp": -1},
        {"prompts": []},
    ],
)
def test_a_set_that_is_none_is_refused(
    stall: Stall, shelf: list[Prompt], changes: dict[str, Any]
) -> None:
    with pytest.raises(InvalidPromptSet):
        _set(stall, shelf, **changes)


def test_only_authors_curate_and_names_are_once(stall: Stall, shelf: list[Prompt]) -> None:
    with pytest.raises(errors.Forbidden):
        _set(stall, shelf, caller=stall.as_(stall.cast.stranger))
    _set(stall, shelf)
    with pytest.raises(InvalidPromptSet, match="already"):
        _set(stall, shelf)
    with pytest.raises(InvalidPromptSet, match="not on the market"):
        _set(stall, [stall.prompt], name="unlisted")


def test_a_withdrawn_set_is_not_sold(stall: Stall, shelf: list[Prompt]) -> None:
    made = _set(stall, shelf)
    with pytest.raises(errors.Forbidden):
        stall.market.withdraw_prompt_set(
            caller=stall.as_(stall.cast.buyer), prompt_set=made, now=stall.now
        )
    made = stall.market.withdraw_prompt_set(
        caller=stall.as_(stall.cast.seller), prompt_set=made, now=stall.now
    )
    with pytest.raises(InvalidPromptSet):
        _buy(stall, made, 48_000_000)
