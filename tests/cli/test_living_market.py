"""The demo's market: played once through the marketplace's own verbs, with something to see on every page."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from unittest import mock

import pytest
from django.conf import LazySettings
from django.db import connection
from django.test import TestCase

from mintmark.accounts import callers
from mintmark.accounts.models import Role, Team, User
from mintmark.cli import actor
from mintmark.common import amounts
from mintmark.demo import bundles, evidence, fleet, loading, market, market_script
from mintmark.deployments.models import Injection
from mintmark.evidence.models import Event
from mintmark.market import audit as market_audit
from mintmark.market import price_breakdown, prompt_sets, purchase_requests, ratings, warranties
from mintmark.market.forks import ForkDraft
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.market.models import (
    PromptSet,
    PromptTokenListing,
    Purchase,
    PurchaseRequest,
    RoyaltyTerm,
    Warranty,
)
from mintmark.market.policy import MarketPolicy
from mintmark.market.purchases import PurchaseResult
from mintmark.projection import projector
from mintmark.registry import assistants, prompts
from mintmark.registry.models import Entitlement, Prompt
from mintmark.signing import bundles as core_bundles
from mintmark.storage import watermark
from mintmark.tokens import audit as tokens_audit
from mintmark.tokens import book
from mintmark.tokens.models import Account, Entry, Transfer
from mintmark.vault import bundle_store
from mintmark.vault.models import PromptMarketplaceVault
from tests.factories.cast import person

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


def loaded() -> datetime:
    """The fleet, and the visitor `demo` of its team support; when its ninety days began."""
    start = loading.load_fleet(fleet=fleet.read_fleet(), console=actor.get_caller(), now=NOW).start
    person("demo", Role.OPERATOR, Role.AUTHOR, team=Team.objects.get(name="support"))
    return start


def play(now: datetime, *, start: datetime) -> market.PlayedMarket:
    return market.play_market(
        described=fleet.read_fleet(),
        console=actor.get_caller(),
        visitor=User.objects.get(username="demo"),
        start=start,
        now=now,
    )


def test_the_story_of_the_market_is_told_in_the_order_of_time_and_within_the_ninety_days() -> None:
    told = market_script.read_actions()
    days = [act.day for act in told]
    assert days == sorted(days)
    assert len(set(days)) == len(days)
    assert 60 <= days[0] < days[-1] < evidence.DAYS
    described = {prompt.reference: prompt for prompt in fleet.read_fleet().prompts}
    for act in told:
        if isinstance(act, market_script.ListingAction) and act.prompt in described:
            assert not described[act.prompt].open, f"{act.prompt} is open: nobody would buy it"


class TestPlayed(TestCase):
    """Played once for all of these: ninety days of a fleet take their time."""

    first: market.PlayedMarket
    start: datetime

    @classmethod
    def setUpTestData(cls) -> None:
        # On PostgreSQL a test's own transaction never ends, and is folded all the same.
        own = mock.patch.object(watermark, "get_visible_sql", return_value="TRUE")
        if connection.vendor == "postgresql":
            own.start()
            cls.addClassCleanup(own.stop)
        cls.start = loaded()
        projector.project_pending(now=NOW)
        cls.first = play(NOW, start=cls.start)
        projector.project_pending(now=NOW)

    def test_the_market_is_played_once_through_its_own_verbs_and_every_audit_holds(self) -> None:
        first = self.first
        assert first.listings == PromptTokenListing.objects.count() == 24
        assert first.purchases == Purchase.objects.count() == 29
        assert PromptSet.objects.count() == 2
        assert first.events == Event.objects.filter(key__startswith="demo:market:").count()
        counts = [rows.objects.count() for rows in (Transfer, Entry, Event, Injection, Prompt)]
        assert play(NOW + timedelta(days=30), start=self.start) == market.PlayedMarket(
            listings=0, purchases=0, events=0
        )
        assert counts == [
            rows.objects.count() for rows in (Transfer, Entry, Event, Injection, Prompt)
        ]
        broken = [f for f in [*tokens_audit.audit(), *market_audit.audit()] if not f.holds]
        assert not broken
        # Nothing is dated to the machine's own clock, and nothing before what it rests on.
        for bought in Purchase.objects.select_related("listing"):
            assert NOW - timedelta(days=30) < bought.listing.listed_at < bought.bought_at < NOW

    def test_each_set_that_was_bought_has_its_receipt_and_one_is_made_to_be_carried(self) -> None:
        assert bundles.create_bundles(now=NOW) == 3
        assert bundles.create_bundles(now=NOW + timedelta(days=1)) == 0
        kept = list(PromptMarketplaceVault.objects.order_by("purpose", "id"))
        assert [(one.purpose, one.team.name) for one in kept] == [
            ("export", "support"),
            ("receipt", "platform"),
            ("receipt", "studio"),
        ]
        assert all(bundle_store.verify_vault(one) for one in kept)
        told = core_bundles.verify(bundle_store.get_raw_file(kept[0])).bundle
        assert told.prompt_set.name == bundles.EXPORTED
        assert all(prompt.events for prompt in told.prompts)
        assert "Simulated" in told.prompt_set.description

    def test_what_was_shared_stays_shared_and_everything_traded_says_that_it_is_simulated(
        self,
    ) -> None:
        shared = Entitlement.objects.filter(reason="shared by its team", ended_at=None)
        assert shared.count() == len(fleet.read_fleet().shared)
        assert all("(simulated)" in prompt.title for prompt in Prompt.objects.all())
        assert all("Simulated" in prompt_set.description for prompt_set in PromptSet.objects.all())
        memos = Transfer.objects.filter(cause__in=["mint", "gift"]).values_list("memo", flat=True)
        assert all("(simulated)" in memo for memo in memos)

    def test_a_fork_of_a_fork_pays_both_generations(self) -> None:
        assert RoyaltyTerm.objects.count() == 2
        listing = PromptTokenListing.objects.get(prompt__name="declined-request")
        told = price_breakdown.build_price_breakdown(
            policy=MarketPolicy(fee_bp=500), listing=listing
        )
        assert [
            (
                share.role,
                share.holder and share.holder.name,
                amounts.format_tokens(share.amount_micro),
            )
            for share in told
        ] == [
            ("fee", None, "0.4"),
            ("royalty", "vic", "1.52"),
            ("royalty", "ana", "0.608"),
            ("seller", "oskar", "5.472"),
        ]
        sold = Purchase.objects.get(prompt=listing.prompt)
        paid = Entry.objects.filter(transfer=sold.transfer, account__owner__name__in=["vic", "ana"])
        assert sorted(paid.values_list("amount_micro", flat=True)) == [608_000, 1_520_000]

    def test_one_warranty_is_kept_one_fails_and_is_a_dispute_and_some_wait(self) -> None:
        states = Counter(Warranty.objects.values_list("state", flat=True))
        assert states == {"kept": 1, "failed": 1, "open": 2}
        (dispute,) = warranties.list_disputes(prompt=prompts.resolve(reference="relay/handover@1"))
        assert dispute.score is not None
        assert dispute.score < 0.65
        assert Transfer.objects.get(cause="refund").entries.count() == 2
        ended = Injection.objects.get(assistant__name="lens-9", prompt__name="handover")
        assert ended.end_reason == "refunded: its warranty failed"
        waits = Account.objects.filter(kind="escrow", balance_micro__gt=0).values_list(
            "balance_micro", flat=True
        )
        assert sum(waits) == 17_500_000

    def test_prompts_are_at_work_and_one_against_its_gate_with_a_reason_that_is_kept(self) -> None:
        active = Injection.objects.filter(ended_at=None)
        assert active.count() == 9
        (overridden,) = active.exclude(override_reason="")
        assert overridden.overridden == ["trust"]
        assert "a person reads each" in overridden.override_reason
        by_itself = active.get(assistant__name="relay-1", slot="verify")
        assert by_itself.injected_by == by_itself.assistant.principal

    def test_the_visitor_can_confirm_buy_inject_fork_and_rate_at_once(self) -> None:
        demo = callers.from_user(user=User.objects.get(username="demo"))
        market = SymbolicPromptTokenMarketplace()
        assert book.get_balances([demo.principal.pk]) == {
            demo.principal.pk: 200 * amounts.MICRO_PER_TOKEN
        }
        (waiting,) = purchase_requests.visible_to(caller=demo).filter(
            state=PurchaseRequest.State.WAITING
        )
        assert waiting.buyer.name == "scout-7"
        assert isinstance(
            market.confirm_request(caller=demo, request=waiting, now=NOW), PurchaseResult
        )
        starter = PromptSet.objects.get(name="on-call-starter")
        quote = prompt_sets.build_quote(prompt_set=starter, team_id=demo.principal.team_id)
        assert [line.is_entitled for line in quote.items].count(False) == 3
        receipt = market.buy(
            caller=demo,
            prompt_set=starter,
            price_micro=quote.total_micro,
            idempotency_key="visit",
            now=NOW,
        )
        assert isinstance(receipt, PurchaseResult)
        bought = Prompt.objects.get(pk=receipt.items[0].prompt)
        market.inject(
            caller=demo,
            prompt=bought,
            assistant=assistants.resolve(reference="scout-7"),
            slot="main",
            now=NOW,
        )
        draft = ForkDraft(
            namespace="support",
            name="desk-triage",
            text=f"{bought.text}\nBe brief.",
            changes=["@length-"],
        )
        team = Team.objects.get(name="support")
        fork = market.fork(caller=demo, parent=bought, draft=draft, team=team, now=NOW)
        assert RoyaltyTerm.objects.get(prompt=fork).rate_bp == 500
        used = prompts.resolve(reference="research/evidence-brief@1")
        assert ratings.find_rating_obstacle(caller=demo, prompt=used) is None
        # What his team has not bought he sees no text of.
        unbought = prompts.resolve(reference="research/claim-check@2")
        assert not prompts.may_read_text(caller=demo, prompt=unbought)


@pytest.mark.django_db
def test_the_market_can_be_played_whatever_the_opening_grant_and_the_fee_are(
    settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.OPENING_GRANT_MICRO = 0
    settings.MARKET_FEE_BP = 2_000
    first_day = evidence.simulate(fleet=fleet.read_fleet(), days=40)[:1]
    monkeypatch.setattr(evidence, "simulate", lambda **_: first_day)
    told = [
        act
        for act in market_script.read_actions()
        if not isinstance(act, market_script.InjectionAction)
    ]
    monkeypatch.setattr(market_script, "read_actions", lambda: told)
    assert play(NOW, start=loaded()).purchases == 29
    assert not Transfer.objects.filter(cause="grant").exists()
