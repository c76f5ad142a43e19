"""Warranties: the price waits in escrow, and the buyer's own measurements decide."""

from datetime import timedelta
from typing import Any

import pytest

from mintmark.deployments.models import Injection
from mintmark.market import warranties
from mintmark.market.listings import WarrantyTerms
from mintmark.market.models import PromptTokenListing, Purchase, Warranty
from mintmark.registry import prompts, rituals
from mintmark.registry.models import Entitlement
from mintmark.tokens import system_accounts
from mintmark.tokens.models import Account
from tests.factories.market_fixture import Stall, trace

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.both("what two may do at once is locked row by row there"),
]


@pytest.fixture
def sold(stall: Stall) -> Stall:
    """The seller's prompt, sold for 10 under a warranty of 0.6 over 20 runs in 14 days."""
    terms = WarrantyTerms(ritual=stall.cast.triage, floor=0.6, runs=20, days=14)
    stall.bought(stall.listed(warranty=terms))
    return stall


def _measure(stall: Stall, *, days: float = 1, **changes: Any) -> None:
    at = stall.now + timedelta(days=days)
    claim = stall.cast.outcome(**({"prompt": stall.prompt.pk, "occurred_at": at} | changes))
    stall.cast.record(claim, now=at)
    stall.market.decide_due_warranties(now=at)


def _state() -> str:
    return Warranty.objects.get().state


def test_the_price_waits_in_escrow_and_nobody_has_it(sold: Stall) -> None:
    assert system_accounts.get_total_balance(Account.Kind.ESCROW) == 10_000_000
    assert sold.balance(sold.cast.seller) == "100"
    assert sold.balance(sold.cast.buyer) == "90"
    sold.market.decide_due_warranties(now=sold.now + timedelta(days=13))
    assert _state() == "open"


def test_only_the_promised_version_of_the_task_decides(sold: Stall) -> None:
    harder = rituals.register(
        name=sold.cast.triage.name, tag=sold.cast.triage.tag, definition={"cases": ["harder"]}
    )
    assert harder.version == sold.cast.triage.version + 1
    _measure(sold, score=0.0, runs=20, ritual=harder.pk)
    assert _state() == "open"
    _measure(sold, score=1.0, runs=20)
    assert _state() == "kept"


def test_a_team_has_one_warranty_for_a_prompt(sold: Stall) -> None:
    _measure(sold, score=0.0, runs=20)
    assert _state() == "failed"
    sold.bought(PromptTokenListing.objects.get(prompt=sold.prompt))
    assert Warranty.objects.count() == 1
    assert warranties.find_spent(team=sold.cast.buyers.pk, prompt_ids=[sold.prompt.pk]) == {
        sold.prompt.pk
    }
    third = sold.bought(PromptTokenListing.objects.get(prompt=sold.prompt), by=sold.third)
    assert Warranty.objects.filter(purchase__transfer=third.transfer).exists()


def test_too_low_an_outcome_refunds_in_full_and_ends_the_right(sold: Stall) -> None:
    made = sold.market.inject(
        caller=sold.as_(sold.cast.buyer),
        prompt=sold.prompt,
        assistant=sold.cast.scout,
        now=sold.now,
    )
    _measure(sold, score=0.5, runs=20)
    assert _state() == "failed"
    assert sold.balance(sold.cast.buyer) == "100"
    assert (
        system_accounts.get_total_balance(Account.Kind.ESCROW)
        == system_accounts.get_total_balance(Account.Kind.TREASURY)
        == 0
    )
    assert not prompts.may_read_text(caller=sold.as_(sold.cast.buyer), prompt=sold.prompt)
    assert "warranty failed" in Injection.objects.get(pk=made.pk).end_reason
    failed = warranties.list_disputes(prompt=sold.prompt).get()
    assert (failed.score, failed.runs) == (0.5, 20)


def test_a_kept_promise_pays_everybody(sold: Stall) -> None:
    _measure(sold, score=0.6, runs=20)
    assert _state() == "kept"
    assert sold.balance(sold.cast.seller) == "109.5"
    assert system_accounts.get_total_balance(Account.Kind.TREASURY) == 500_000
    assert Entitlement.objects.get(prompt=sold.prompt).ended_at is None


def test_too_few_runs_decide_nothing_until_the_window_ends(sold: Stall) -> None:
    _measure(sold, score=0.0, runs=19)
    assert _state() == "open"
    sold.market.decide_due_warranties(now=sold.now + timedelta(days=14))
    assert _state() == "kept"


def test_outcomes_count_until_there_are_enough_and_later_ones_change_nothing(sold: Stall) -> None:
    at = sold.now + timedelta(days=1)
    claims = [
        sold.cast.outcome(score=score, runs=10, prompt=sold.prompt.pk, occurred_at=at)
        for score in (0.9, 0.5, 0.0)
    ]
    sold.cast.record(*claims, now=at)
    sold.market.decide_due_warranties(now=at)
    told = Warranty.objects.get()
    assert (told.state, told.runs) == ("kept", 20)
    assert told.score == pytest.approx(0.7)


@pytest.mark.parametrize("what", ["other ritual", "other team", "too late", "before"])
def test_what_is_not_the_buyers_own_measurement_in_time_does_not_count(
    sold: Stall, what: str
) -> None:
    from mintmark.registry import rituals

    cast = sold.cast
    at = sold.now + timedelta(days={"too late": 15, "before": 0.5}.get(what, 1))
    changes: dict[str, Any] = {"score": 0.0, "runs": 50, "prompt": sold.prompt.pk}
    by = cast.buyer
    if what == "other ritual":
        changes["ritual"] = rituals.register(name="other", tag="task:other").pk
    if what == "other team":
        changes["assistant"], by = cast.smith.pk, cast.seller
    if what == "before":
        changes["occurred_at"] = sold.now - timedelta(days=1)
    cast.record(cast.outcome(**changes), by=by, now=at)
    sold.market.decide_due_warranties(now=sold.now + timedelta(days=15))
    assert _state() == "kept"


def test_settling_again_moves_nothing(sold: Stall) -> None:
    _measure(sold, score=0.1, runs=20)
    before = trace()
    assert sold.market.decide_due_warranties(now=sold.now + timedelta(days=20)) == []
    assert trace() == before


def test_a_refunded_team_may_buy_again(sold: Stall) -> None:
    _measure(sold, score=0.1, runs=20)
    listing = Purchase.objects.get().listing
    sold.bought(listing)
    assert prompts.may_read_text(caller=sold.as_(sold.cast.buyer), prompt=sold.prompt)


def test_what_is_withdrawn_for_good_refunds_what_still_waits(sold: Stall) -> None:
    sold.market.withdraw_permanently(
        caller=sold.as_(sold.cast.seller), prompt=sold.prompt, reason="unsafe", now=sold.now
    )
    assert _state() == "failed"
    assert sold.balance(sold.cast.buyer) == "100"


def test_the_record_of_a_listing_counts_what_became_of_its_warranties(sold: Stall) -> None:
    listing = Purchase.objects.get().listing
    sold.bought(listing, by=sold.third)
    _measure(sold, score=0.1, runs=20)
    told = warranties.get_history(listing=listing)
    assert (told.open, told.kept, told.failed) == (1, 0, 1)


def test_royalties_of_a_sale_under_warranty_are_paid_when_it_is_kept(stall: Stall) -> None:
    stall.bought(stall.listed(royalty_bp=1_000))
    child = stall.forked(stall.prompt)
    terms = WarrantyTerms(ritual=stall.cast.triage, floor=0.6, runs=20, days=14)
    stall.bought(stall.listed(child, by=stall.cast.buyer, warranty=terms), by=stall.third)
    assert stall.balance(stall.cast.seller) == "109.5"
    stall.market.decide_due_warranties(now=stall.now + timedelta(days=14))
    assert stall.balance(stall.cast.seller) == "110.45"
