"""Mandates: what an assistant may spend by itself, and that a person confirms the rest."""

from datetime import timedelta
from typing import Any

import pytest

from mintmark.common import errors
from mintmark.deployments.mandates import InvalidMandate
from mintmark.market.models import PurchaseRequest
from mintmark.market.purchase_requests import AlreadyDecided
from mintmark.market.purchases import PurchaseResult
from mintmark.tokens import book, wallets
from tests.factories.market_fixture import Stall, entries, trace

pytestmark = pytest.mark.django_db


def _mandate(stall: Stall, **changes: Any) -> None:
    asked: dict[str, Any] = {
        "caller": stall.as_(stall.cast.buyer), "assistant": stall.cast.scout, "per_purchase_micro": 10_000_000,
        "per_day_micro": 15_000_000, "trust_floor": 0.0, "now": stall.now,
    }  # fmt: skip
    stall.market.set_mandate(**(asked | changes))


def _fund(stall: Stall, micro: int = 50_000_000) -> None:
    wallets.give(
        caller=stall.as_(stall.cast.buyer), recipient=stall.cast.scout.principal, amount_micro=micro,
        memo="pocket money", idempotency_key=next(stall.keys), now=stall.now,
    )  # fmt: skip


def _another(stall: Stall, cost: str) -> Any:
    name = next(stall.keys)
    return stall.listed(
        stall.cast.written(f"acme/{name}", f"Text {name}.", is_open=False), cost=cost
    )


def test_within_its_mandate_an_assistant_buys_from_its_own_wallet(stall: Stall) -> None:
    _mandate(stall)
    _fund(stall)
    receipt = stall.bought(stall.listed(cost="10"), by=stall.cast.scout)
    assert entries(receipt.transfer)[stall.cast.scout.principal_id] == -10_000_000
    assert stall.balance(stall.cast.scout) == "40"


def test_without_a_mandate_every_purchase_waits_for_a_person(stall: Stall) -> None:
    _fund(stall)
    before = trace()
    asked = stall.asked(stall.listed(cost="0.000001"), by=stall.cast.scout)
    assert isinstance(asked, PurchaseRequest)
    assert asked.state == "waiting"
    assert trace() == before


def test_above_the_limit_of_a_purchase_or_a_day_it_waits(stall: Stall) -> None:
    _mandate(stall)
    _fund(stall)
    assert isinstance(
        stall.asked(_another(stall, "10.000001"), by=stall.cast.scout), PurchaseRequest
    )
    stall.bought(_another(stall, "10"), by=stall.cast.scout)
    over = stall.asked(_another(stall, "5.000001"), by=stall.cast.scout)
    assert isinstance(over, PurchaseRequest)
    assert "15 credits a day" in over.why
    stall.bought(_another(stall, "5"), by=stall.cast.scout)
    tomorrow = stall.now + timedelta(days=1)
    assert isinstance(
        stall.asked(_another(stall, "10"), by=stall.cast.scout, now=tomorrow), PurchaseResult
    )


def test_a_confirmed_request_is_bought_once_from_the_assistants_wallet(stall: Stall) -> None:
    _fund(stall)
    listing = stall.listed(cost="20")
    asked = stall.asked(listing, by=stall.cast.scout, idempotency_key="please")
    assert isinstance(asked, PurchaseRequest)
    for who in (stall.cast.seller, stall.cast.stranger, stall.cast.scout):
        with pytest.raises(errors.Forbidden):
            stall.market.confirm_request(caller=stall.as_(who), request=asked, now=stall.now)
    receipt = stall.market.confirm_request(
        caller=stall.as_(stall.cast.buyer), request=asked, now=stall.now
    )
    assert stall.balance(stall.cast.scout) == "30"
    again = stall.asked(listing, by=stall.cast.scout, idempotency_key="please")
    assert isinstance(again, PurchaseRequest)
    assert (again.state, again.transfer_id) == ("confirmed", receipt.transfer)
    with pytest.raises(AlreadyDecided):
        stall.market.decline_request(
            caller=stall.as_(stall.cast.buyer), request=asked, now=stall.now
        )


def test_a_declined_request_moves_nothing(stall: Stall) -> None:
    _fund(stall)
    asked = stall.asked(stall.listed(), by=stall.cast.scout)
    assert isinstance(asked, PurchaseRequest)
    before = trace()
    declined = stall.market.decline_request(
        caller=stall.as_(stall.cast.buyer), request=asked, now=stall.now
    )
    assert declined.state == "declined"
    with pytest.raises(AlreadyDecided):
        stall.market.confirm_request(
            caller=stall.as_(stall.cast.buyer), request=asked, now=stall.now
        )
    assert trace() == before


def test_a_confirmation_that_cannot_be_paid_leaves_the_request_waiting(stall: Stall) -> None:
    asked = stall.asked(stall.listed(), by=stall.cast.scout)
    assert isinstance(asked, PurchaseRequest)
    with pytest.raises(book.InsufficientFunds):
        stall.market.confirm_request(
            caller=stall.as_(stall.cast.buyer), request=asked, now=stall.now
        )
    asked.refresh_from_db()
    assert asked.state == "waiting"


def test_the_key_of_a_request_is_held_to_its_body(stall: Stall) -> None:
    stall.asked(_another(stall, "1"), by=stall.cast.scout, idempotency_key="k")
    with pytest.raises(errors.IdempotencyKeyReused):
        stall.asked(_another(stall, "1"), by=stall.cast.scout, idempotency_key="k")


def test_only_an_operator_of_its_team_gives_a_mandate(stall: Stall) -> None:
    for who in (stall.cast.scout, stall.cast.seller, stall.cast.auditor):
        with pytest.raises(errors.Forbidden):
            _mandate(stall, caller=stall.as_(who))


@pytest.mark.parametrize(
    "changes",
    [
        {"per_day_micro": -1}, {"per_purchase_micro": 10**30}, {"trust_floor": float("nan")}, {"trust_floor": 1.5},
    ],
)  # fmt: skip
def test_limits_that_are_none_are_refused(stall: Stall, changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidMandate):
        _mandate(stall, **changes)


def test_an_assistant_gives_nothing_away_and_starts_with_nothing(stall: Stall) -> None:
    assert (
        wallets.get_or_open(principal=stall.cast.scout.principal, now=stall.now).balance_micro == 0
    )
    _fund(stall)
    with pytest.raises(errors.Forbidden):
        wallets.give(
            caller=stall.as_(stall.cast.scout), recipient=stall.principal(stall.cast.seller), amount_micro=1,
            memo="", idempotency_key="k", now=stall.now,
        )  # fmt: skip
