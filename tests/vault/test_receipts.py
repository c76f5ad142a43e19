"""Receipts: what a buyer got, signed by the installation, once, while he may use it."""

from datetime import timedelta
from typing import Any

import pytest

from mintmark.accounts.models import Role, User
from mintmark.common import errors, licences
from mintmark.market.models import PromptSet, Purchase
from mintmark.registry.models import Assistant, Entitlement, Prompt
from mintmark.signing import bundles
from mintmark.signing.bundles import Bundle
from mintmark.tokens import wallets
from mintmark.vault import bundle_store, keys
from mintmark.vault.models import PromptMarketplaceVault
from tests.factories.cast import person
from tests.factories.market_fixture import Stall

pytestmark = pytest.mark.django_db


class Sold:
    """A set of two prompts, the second under MIT, and the buyer's purchase of it."""

    def __init__(self, stall: Stall) -> None:
        self.stall = stall
        self.second = stall.cast.written("acme/second", "Count {coin} thrice.", is_open=False)
        stall.listed(licence=licences.PROPRIETARY)
        stall.listed(self.second, cost="5", royalty_bp=500)
        self.coins: PromptSet = stall.market.create_prompt_set(
            caller=stall.as_(stall.cast.seller), team=stall.cast.sellers, name="coins", title="Coins",
            prompts=[stall.prompt, self.second], now=stall.now, description="Two of them.",
        )  # fmt: skip
        made = stall.market.buy(
            caller=stall.as_(stall.cast.buyer), prompt_set=self.coins, price_micro=15_000_000,
            idempotency_key="set", now=stall.now,
        )  # fmt: skip
        assert not hasattr(made, "state")
        self.transfer: int = Purchase.objects.order_by("-id")[0].transfer_id

    def receipt(
        self, *, by: User | Assistant | None = None, days: int = 0
    ) -> PromptMarketplaceVault | None:
        return self.stall.market.get_or_issue_receipt(
            caller=self.stall.as_(by or self.stall.cast.buyer),
            transfer=self.transfer,
            now=self.stall.now + timedelta(days=days),
        )

    def end(self, prompt: Prompt) -> None:
        entitlement = Entitlement.objects.get(prompt=prompt, team=self.stall.cast.buyers)
        self.stall.market.revoke_entitlement(
            caller=self.stall.as_(self.stall.admin), entitlement=entitlement, reason="refunded",
            now=self.stall.now,
        )  # fmt: skip


@pytest.fixture
def sold(stall: Stall) -> Sold:
    return Sold(stall)


def told(vault: PromptMarketplaceVault | None) -> Bundle:
    assert vault is not None
    return bundles.verify(bundle_store.get_raw_file(vault)).bundle


def test_buying_a_set_yields_the_bundle_of_it_with_what_was_paid(sold: Sold) -> None:
    vault = sold.receipt()
    bundle = told(vault)
    assert vault is not None
    assert (vault.purpose, vault.team, vault.receipt_of_id) == (
        "receipt", sold.stall.cast.buyers, sold.transfer,
    )  # fmt: skip
    assert bundle.purpose == "receipt"
    assert bundle.prompt_set.model_dump() == {
        "name": f"receipt-{sold.transfer}", "title": "Coins", "description": "Two of them.",
    }  # fmt: skip
    assert bundle.receipt is not None and bundle.receipt.model_dump() == {
        "transfer": sold.transfer, "buyer": "buyer", "team": "buyers", "price_micro": 15_000_000,
        "bought_at": "2026-11-01T12:00:00.000000Z",
    }  # fmt: skip
    assert [(one.name, one.rights, one.licence) for one in bundle.prompts] == [
        ("acme/mint@1", "bought", licences.PROPRIETARY),
        ("acme/second@1", "passed_on", "MIT"),
    ]
    assert [one.rate_bp for one in bundle.prompts[1].royalties] == [500]
    assert set(vault.prompt_set.all()) == {sold.stall.prompt, sold.second}


def test_the_installation_alone_signs_it(sold: Sold) -> None:
    stall = sold.stall
    keys.generate_key(caller=stall.as_(stall.cast.buyer), team=stall.cast.buyers, now=stall.now)
    vault = sold.receipt()
    assert vault is not None
    (signer,) = bundle_store.verify_vault(vault)
    assert {root.name for root in keys.list_trust_roots() if root.key_id == signer} == {
        "this installation (itself)"
    }
    assert told(vault).issuer.team == ""


def test_it_is_made_once_and_stays(sold: Sold) -> None:
    first = sold.receipt()
    sold.stall.cast.record(sold.stall.cast.outcome(score=0.1, prompt=sold.second.pk))
    assert sold.receipt(days=9) == first
    assert PromptMarketplaceVault.objects.count() == 1


def test_what_ended_before_is_not_in_it(sold: Sold) -> None:
    sold.end(sold.stall.prompt)
    bundle = told(sold.receipt())
    assert [one.name for one in bundle.prompts] == ["acme/second@1"]
    assert bundle.receipt is not None and bundle.receipt.price_micro == 15_000_000


def test_there_is_none_where_all_has_ended(sold: Sold) -> None:
    sold.end(sold.stall.prompt)
    stall = sold.stall
    stall.market.withdraw_permanently(
        caller=stall.as_(stall.cast.seller), prompt=sold.second, reason="leaks", now=stall.now
    )
    assert sold.receipt() is None
    assert sold.stall.market.issue_due_receipts(now=stall.now) == 0


def test_it_is_for_the_team_that_bought(sold: Sold) -> None:
    cast = sold.stall.cast
    mate = person("mate", Role.OPERATOR, team=cast.buyers)
    for who in (mate, cast.scout, sold.stall.admin):
        assert sold.receipt(by=who) is not None
    for nobody in (cast.seller, cast.stranger, cast.auditor):
        with pytest.raises(errors.NotFound):
            sold.receipt(by=nobody)


def test_there_is_none_of_what_is_no_purchase(sold: Sold) -> None:
    with pytest.raises(errors.NotFound):
        sold.stall.market.get_or_issue_receipt(caller=None, transfer=0, now=sold.stall.now)


def test_an_assistant_that_buys_owns_its_receipt(stall: Stall) -> None:
    scout, buyer = stall.cast.scout, stall.as_(stall.cast.buyer)
    stall.market.set_mandate(
        caller=buyer, assistant=scout, per_purchase_micro=20_000_000, per_day_micro=20_000_000,
        trust_floor=0.0, now=stall.now,
    )  # fmt: skip
    wallets.give(
        caller=buyer,
        recipient=scout.principal,
        amount_micro=20_000_000,
        memo="",
        idempotency_key="gift",
        now=stall.now,
    )
    receipt = stall.bought(stall.listed(), by=scout)
    vault = stall.market.get_or_issue_receipt(
        caller=stall.as_(scout), transfer=receipt.transfer, now=stall.now
    )
    assert vault is not None
    assert (vault.owner_assistant, vault.team) == (scout, stall.cast.buyers)
    said = told(vault)
    assert said.receipt is not None and said.receipt.buyer == "scout"
    assert said.prompt_set.title == "mint"


def test_the_worker_makes_those_of_sets_bought_within_a_day(sold: Sold) -> None:
    stall = sold.stall
    stall.bought(stall.listed(stall.cast.written("acme/x", "X {y}.", is_open=False)))
    assert stall.market.issue_due_receipts(now=stall.now + timedelta(days=1)) == 0
    assert stall.market.issue_due_receipts(now=stall.now + timedelta(hours=1)) == 1
    assert stall.market.issue_due_receipts(now=stall.now + timedelta(hours=1)) == 0
    vault = PromptMarketplaceVault.objects.get()
    assert (vault.receipt_of_id, vault.made_by) == (sold.transfer, None)
    assert sold.receipt() == vault


def test_one_that_fits_no_bundle_holds_no_other_up(sold: Sold, settings: Any) -> None:
    settings.VAULT_MAX_BYTES = 1_000
    assert sold.stall.market.issue_due_receipts(now=sold.stall.now) == 0
