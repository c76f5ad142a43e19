"""What one owns, for the tests of those pages: the seller's stall; what the buyer bought of it, forked, sells, runs."""

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from mintmark.accounts import callers, keys
from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role, Team, User
from mintmark.deployments.models import Injection
from mintmark.market.forks import ForkDraft
from mintmark.market.listings import ListingOffer, WarrantyTerms
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.market.models import PromptTokenListing, PurchaseRequest
from mintmark.market.purchases import PurchaseResult
from mintmark.registry.models import Assistant, Prompt
from mintmark.tokens import wallets
from tests.factories.cast import person, vouch_for
from tests.factories.web_scene import Scene

BRIEF = (
    "You brief the engineer on call about {incident}.\n"
    "Say in three sentences what is broken, who notices it and what was tried.\n"
    "Do not guess at causes.\n"
    "Brief:"
)
FORK = BRIEF.replace("in three sentences", "in one short sentence").replace(
    "Brief:", "End with the next step.\nAnswer:"
)
DIGEST = "Sum up the tickets of the day in ten lines: {tickets}"
ESCALATE = "Decide whether {ticket} must wake somebody up. Answer with yes or no."


class Holdings:
    """A week of trade: the buyer's team has bought two prompts, forked one and sold the fork to a third team; its
    assistant `scout` runs both and asks for a third."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.cast = scene, scene.cast
        self.market = SymbolicPromptTokenMarketplace()
        self.now = timezone.now() - timedelta(minutes=10)
        self.keys = iter(range(10_000))
        self.guests = Team.objects.create(name="guests")
        self.guest = person("guest", Role.OPERATOR, Role.AUTHOR, team=self.guests)
        vouch_for(self.guest)
        for user in (self.cast.seller, self.cast.buyer, self.guest):
            wallets.get_or_open(principal=self.caller(user).principal, now=self.ago(days=8))
        self._offer()
        self._buy()
        self._fork()
        self._run()

    def ago(self, **span: float) -> datetime:
        return self.now - timedelta(**span)

    def caller(self, who: User | Assistant) -> Caller:
        """A person, or an assistant with a key for the market."""
        if isinstance(who, Assistant):
            key = keys.issue(principal=who.principal, scopes=["market"]).key
            return callers.from_key(key=key)
        return self.cast.as_(who)

    def listed(
        self, prompt: Prompt, price: str, *, by: User, at: datetime, **terms: object
    ) -> PromptTokenListing:
        """A prompt offered by a person of its team."""
        offer = ListingOffer(prompt=prompt, token_cost=price, **terms)  # type: ignore[arg-type]
        return self.market.list_prompt(caller=self.caller(by), offer=offer, now=at)

    def bought(self, listing: PromptTokenListing, *, by: User, at: datetime) -> PurchaseResult:
        """A purchase for the buyer's own team."""
        receipt = self.market.buy(
            caller=self.caller(by), listing=listing.pk, price_micro=listing.price_micro,
            idempotency_key=f"bought-{next(self.keys)}", now=at,
        )  # fmt: skip
        assert isinstance(receipt, PurchaseResult)
        return receipt

    def asked(self, listing: PromptTokenListing, *, at: datetime) -> PurchaseRequest:
        """What the buyer's assistant asks for, beyond its mandate."""
        request = self.market.buy(
            caller=self.caller(self.cast.scout), listing=listing.pk, price_micro=listing.price_micro,
            idempotency_key=f"asked-{next(self.keys)}", now=at,
        )  # fmt: skip
        assert isinstance(request, PurchaseRequest)
        return request

    def injected(
        self, prompt: Prompt, *, at: datetime, slot: str = "main", **more: Any
    ) -> Injection:
        """A prompt put to work in the buyer's assistant."""
        return self.market.inject(
            caller=self.caller(self.cast.buyer), prompt=prompt, assistant=self.cast.scout, slot=slot, now=at, **more,
        )  # fmt: skip

    def _offer(self) -> None:
        written, seller, at = self.cast.written, self.cast.seller, self.ago(days=7)
        self.brief = written("acme/incident-brief", BRIEF, is_open=False)
        self.digest = written("acme/digest", DIGEST, is_open=False, tags=("task:summarise",))
        self.escalate = written("acme/escalate", ESCALATE, is_open=False)
        warranty = WarrantyTerms(ritual=self.cast.triage, floor=0.6, runs=20, days=14)
        self.brief_listing = self.listed(
            self.brief, "12.5", by=seller, at=at, licence="CC-BY-SA-4.0", royalty_bp=1_000, warranty=warranty,
            preview="Briefs the engineer on call in three sentences.",
        )  # fmt: skip
        self.digest_listing = self.listed(
            self.digest, "3", by=seller, at=at, licence="CC-BY-ND-4.0"
        )
        self.escalate_listing = self.listed(
            self.escalate,
            "9",
            by=seller,
            at=at,
            licence="MIT",
            preview="Says whether to wake somebody up.",
        )

    def _buy(self) -> None:
        buyer, cast = self.cast.buyer, self.cast
        self.receipt = self.bought(self.brief_listing, by=buyer, at=self.ago(days=6))
        self.bought(self.digest_listing, by=buyer, at=self.ago(days=5))
        cast.record(cast.outcome(score=0.75, prompt=self.brief.pk, runs=12), now=self.ago(days=4))
        for n, day in enumerate((4, 3, 2), start=2):
            wallets.give(
                caller=self.caller(buyer), recipient=cast.scout.principal, amount_micro=n * 1_500_000,
                memo="for the week" if n == 2 else "", idempotency_key=f"given-{n}", now=self.ago(days=day),
            )  # fmt: skip
        self.market.set_mandate(
            caller=self.caller(buyer), assistant=cast.scout, per_purchase_micro=5_000_000,
            per_day_micro=10_000_000, trust_floor=0.1, now=self.ago(days=4),
        )  # fmt: skip

    def _fork(self) -> None:
        cast, at = self.cast, self.ago(days=2)
        draft = ForkDraft(
            namespace="buyers", name="incident-line", text=FORK, changes=["@length-", "@clarity+"],
            title="An incident in one sentence", forked_by=cast.scout,
        )  # fmt: skip
        self.forked = self.market.fork(
            caller=self.caller(cast.buyer), parent=self.brief, draft=draft, team=cast.buyers, now=at
        )
        self.fork_listing = self.listed(
            self.forked,
            "20",
            by=cast.buyer,
            at=at,
            preview="One sentence for the engineer on call.",
        )
        self.bought(self.fork_listing, by=self.guest, at=self.ago(days=1))

    def _run(self) -> None:
        self.before = self.injected(self.scene.fork, at=self.ago(days=3))
        self.at_work = self.injected(
            self.brief, at=self.ago(days=2), variables={"incident": "#4711"}
        )
        self.market.set_mandate(
            caller=self.caller(self.cast.buyer), assistant=self.cast.scout, per_purchase_micro=5_000_000,
            per_day_micro=10_000_000, trust_floor=0.9, now=self.ago(days=2),
        )  # fmt: skip
        self.overridden = self.injected(
            self.digest,
            at=self.ago(days=1),
            slot="evening",
            override_reason="The digest is read by people anyway.",
        )
        declined = self.asked(self.escalate_listing, at=self.ago(days=1))
        self.market.decline_request(
            caller=self.caller(self.cast.buyer), request=declined, now=self.ago(hours=20)
        )
        self.request = self.asked(self.escalate_listing, at=self.ago(hours=1))
