"""`mintmark tokens mint`, `wallet` and `market`: what an operator sees and does of credits and trade."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mintmark.cli import exit_codes
from mintmark.deployments.models import Injection
from mintmark.market.listings import WarrantyTerms
from mintmark.market.models import PromptTokenListing, Warranty
from mintmark.registry.models import Entitlement
from mintmark.tokens import system_accounts
from mintmark.tokens.models import Account, Transfer
from mintmark.trust import intake
from mintmark.worker import maintenance
from tests.cli.conftest import Call
from tests.factories.market_fixture import Stall

pytestmark = pytest.mark.django_db

Answer = Callable[..., Any]


@pytest.fixture
def stall(built_stall: Stall) -> Stall:
    made = built_stall
    # Commands act now.
    made.now = made.cast.now = datetime.now(UTC)
    return made


def test_tokens_are_issued_for_a_reason_that_is_kept(stall: Stall, answer: Answer) -> None:
    made = answer("tokens", "mint", "buyer", "12.5", "--reason", "the new quarter")
    assert made["issued"] is True
    assert (made["holder"], made["tokens"], made["balance"]) == ("buyer", "12.5", "112.5")
    transfer = Transfer.objects.get(pk=made["transfer"])
    assert (transfer.cause, transfer.memo) == ("mint", "the new quarter")
    assert transfer.actor.name == "console"


def test_a_command_run_twice_issues_twice_and_once_with_a_key(stall: Stall, answer: Answer) -> None:
    issue = ("tokens", "mint", "buyer", "1", "--reason", "again")
    assert answer(*issue)["balance"] == "101"
    assert answer(*issue)["balance"] == "102"
    first = answer(*issue, "--key", "october")
    second = answer(*issue, "--key", "october")
    assert first["balance"] == second["balance"] == "103"
    assert (first["issued"], second["issued"]) == (True, False)
    assert first["transfer"] == second["transfer"]


def test_a_key_that_stood_for_another_issue_is_refused(stall: Stall, call: Call) -> None:
    assert (
        call("tokens", "mint", "buyer", "1", "--reason", "x", "--key", "k").exit_code
        == exit_codes.DONE
    )
    result = call("tokens", "mint", "buyer", "2", "--reason", "x", "--key", "k")
    assert result.exit_code == exit_codes.BAD_INPUT
    assert "idempotency_key_reused" in result.stderr


@pytest.mark.parametrize("amount", ["0", "-1", "NaN", "1e30", "0.0000001", "twelve"])
def test_what_is_no_amount_is_refused_and_moves_nothing(
    stall: Stall, call: Call, amount: str
) -> None:
    result = call("tokens", "mint", "--reason", "x", "--", "buyer", amount)
    assert result.exit_code == exit_codes.BAD_INPUT
    assert "invalid_amount" in result.stderr
    assert not Transfer.objects.filter(cause="mint").exists()


def test_a_treasurer_issues_in_his_own_name_and_others_may_not(
    stall: Stall, call: Call, answer: Answer
) -> None:
    issue = ("tokens", "mint", "scout", "3", "--reason", "for scout", "--by")
    made = answer(*issue, "treasurer")
    assert Transfer.objects.get(pk=made["transfer"]).actor.name == "treasurer"
    refused = call(*issue, "seller")
    assert refused.exit_code == exit_codes.BAD_INPUT
    assert "treasurer" in refused.stderr
    assert "No person" in call(*issue, "nobody").stderr


def test_a_wallet_shows_its_balance_and_newest_entries(
    stall: Stall, call: Call, answer: Answer
) -> None:
    stall.bought(stall.listed(cost="10"))
    shown = answer("wallet", "buyer")
    assert (shown["holder"], shown["opened"], shown["balance"]) == ("buyer", True, "90")
    assert [(line["cause"], line["tokens"]) for line in shown["entries"]] == [
        ("purchase", "-10"),
        ("grant", "100"),
    ]
    assert len(answer("wallet", "buyer", "--entries", "1")["entries"]) == 1
    text = call("wallet", "buyer").stdout
    assert "buyer holds 90 credits" in text
    assert "acme/mint@1" in text


def test_a_wallet_that_was_never_opened_says_so_and_stays_closed(
    stall: Stall, call: Call, answer: Answer
) -> None:
    assert answer("wallet", "stranger")["opened"] is False
    assert "no wallet yet" in call("wallet", "stranger").stdout
    assert not Account.objects.filter(owner__name="stranger").exists()


def test_without_a_name_every_account_is_shown_and_their_sum_is_0(
    stall: Stall, call: Call, answer: Answer
) -> None:
    stall.bought(stall.listed(cost="10"))
    shown = answer("wallet")
    assert shown["sum"] == "0"
    assert shown["treasury"] == "0.5"
    assert shown["issuance"] == "-300"
    assert {row["holder"]: row["balance"] for row in shown["wallets"]} == {
        "seller": "109.5",
        "third": "100",
        "buyer": "90",
    }
    assert call("wallet").stdout.split()[-2:] == ["sum", "0"]


def test_the_market_is_listed_with_price_terms_and_scores(
    stall: Stall, call: Call, answer: Answer
) -> None:
    listed(stall, cost="12.5")
    (shown,) = answer("market", "list", "--search", "mint")["listings"]
    assert (shown["prompt"], shown["tokens"], shown["licence"]) == ("acme/mint@1", "12.5", "MIT")
    assert shown["warranty"] == {"ritual": "triage-cases", "floor": 0.6, "runs": 4, "days": 14}
    assert shown["trust"]["low"] < shown["trust"]["value"] < shown["trust"]["high"]
    assert shown["swarm_adoption_score"] == 0.0
    text = call("market", "list").stdout
    assert "acme/mint@1" in text
    assert "weigh" not in text
    assert (
        "Nothing is offered that fits 'nowhere'"
        in call("market", "list", "--search", "nowhere").stdout
    )


def test_orders_name_purchases_and_what_waits_for_a_person(
    stall: Stall, call: Call, answer: Answer
) -> None:
    listing = listed(stall)
    stall.asked(listing, by=stall.cast.scout)
    stall.bought(listing, by=stall.third)
    shown = answer("market", "orders")
    (bought,), (waits,) = shown["purchases"], shown["waiting"]
    assert (bought["buyer"], bought["team"], bought["warranty"]) == ("third", "thirds", "open")
    assert (waits["buyer"], waits["prompt"], waits["tokens"]) == ("scout", "acme/mint@1", "10")
    assert "scout asks to buy acme/mint@1 for 10 credits" in call("market", "orders").stdout


def test_settling_pays_out_or_refunds_what_is_due(stall: Stall, call: Call, answer: Answer) -> None:
    stall.bought(listed(stall))
    assert answer("market", "settle") == {"settled": [], "waiting": 1}
    _measured(stall, score=0.25)
    (settled,) = answer("market", "settle")["settled"]
    assert (settled["state"], settled["score"], settled["tokens"]) == ("failed", 0.25, "10")
    assert answer("wallet", "buyer")["balance"] == "100"
    assert "0 settled, 0 still wait" in call("market", "settle").stdout


def test_the_upkeep_settles_and_scores_by_itself(stall: Stall) -> None:
    listing = listed(stall)
    stall.bought(listing)
    at_work(stall)
    _measured(stall, score=1.0)
    PromptTokenListing.objects.update(swarm_adoption_score=0.0)
    assert (maintenance.settle_warranties(), maintenance.refresh_listings()) == (1, 1)
    assert Warranty.objects.get().state == Warranty.State.KEPT
    assert system_accounts.get_total_balance(Account.Kind.ESCROW) == 0
    assert PromptTokenListing.objects.get().swarm_adoption_score > 0


def test_refreshing_says_how_many_scores_changed(stall: Stall, answer: Answer) -> None:
    listing = listed(stall)
    stall.bought(listing)
    at_work(stall)
    PromptTokenListing.objects.update(swarm_adoption_score=0.0)
    assert answer("market", "refresh") == {"changed": 1}
    assert answer("market", "refresh") == {"changed": 0}


def test_a_revoked_right_ends_with_what_it_ran(stall: Stall, call: Call, answer: Answer) -> None:
    listing = listed(stall)
    stall.bought(listing)
    at_work(stall)
    made = answer("market", "revoke", "acme/mint@1", "buyers", "--reason", "leaked a secret")
    assert (made["team"], made["reason"], made["injections_ended"]) == (
        "buyers",
        "leaked a secret",
        1,
    )
    assert not Injection.objects.filter(ended_at=None).exists()
    again = call("market", "revoke", "acme/mint@1", "buyers", "--reason", "leaked a secret")
    assert again.exit_code == exit_codes.BAD_INPUT
    assert "no right" in again.stderr
    assert "No team" in call("market", "revoke", "acme/mint@1", "x", "--reason", "y").stderr


def test_withdrawing_permanently_takes_a_yes_and_then_ends_everything(
    stall: Stall, call: Call, answer: Answer
) -> None:
    stall.bought(listed(stall))
    withdraw = ("market", "withdraw-permanently", "acme/mint@1", "--reason", "it was not ours")
    asked = call(*withdraw)
    assert asked.exit_code == exit_codes.BAD_INPUT
    assert "not_confirmed" in asked.stderr
    assert "its listing, the use of it by teams: 1, injections: 0, refunds: 1" in asked.stderr
    assert Entitlement.objects.get().ended_at is None
    made = answer(*withdraw, "--yes")
    assert (made["listed"], made["refunds"]) == (True, 1)
    assert answer("market", "list")["listings"] == []
    assert answer("wallet", "buyer")["balance"] == "100"


def listed(stall: Stall, *, cost: str = "10") -> PromptTokenListing:
    """The seller's prompt on the market, with a warranty of four runs."""
    terms = WarrantyTerms(ritual=stall.cast.triage, floor=0.6, runs=4, days=14)
    return stall.listed(cost=cost, warranty=terms)


def at_work(stall: Stall) -> None:
    """The prompt in the buyer's assistant."""
    stall.market.inject(
        caller=stall.as_(stall.cast.buyer),
        prompt=stall.prompt,
        assistant=stall.cast.scout,
        now=stall.now,
    )


def _measured(stall: Stall, *, score: float) -> None:
    at = datetime.now(UTC) + timedelta(milliseconds=1)
    claim = intake.EvidenceClaim(
        kind="outcome",
        prompt=stall.prompt.pk,
        assistant="scout",
        ritual="triage-cases",
        score=score,
        runs=4,
        key="measured",
        occurred_at=at,
    )
    intake.record(caller=stall.as_(stall.cast.buyer), claims=[claim], source="test", now=at)
