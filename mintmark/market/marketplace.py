"""SymbolicPromptTokenMarketplace: list, buy, inject, fork and rate prompts for symbolic tokens."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Principal, Team
from mintmark.deployments import injections, mandates
from mintmark.deployments.injections import ActivePrompt
from mintmark.deployments.models import Injection, Mandate
from mintmark.registry.models import Assistant, Entitlement, Prompt, Tombstone
from mintmark.tokens.book import Posting
from mintmark.trust.intake import EvidenceClaim, RecordResult
from mintmark.vault.models import BundleImport, PromptMarketplaceVault, RevocationList

from . import (
    bundle_exports,
    copies,
    foreign_royalties,
    forks,
    listing_scores,
    listings,
    notifications,
    policy,
    price_breakdown,
    prompt_sets,
    purchase_requests,
    purchases,
    ratings,
    recording,
    search,
    warranties,
    withdrawals,
)
from .foreign_royalties import ForeignBalance
from .forks import ForkDraft
from .listing_scores import ListingScores
from .listings import ListingOffer
from .models import CopyDecision, PromptSet, PromptTokenListing, PurchaseRequest, Warranty
from .policy import MarketPolicy
from .price_breakdown import PriceBreakdownItem
from .purchases import PurchaseResult
from .search import ListingPage, ListingQuery


class SymbolicPromptTokenMarketplace:
    """Trades under a policy: the one that the settings say, unless another is given.

    Every verb takes its caller, and refuses what they may not do; prices are integers of micro-credits where they are
    compared, and credits where a person states them.
    """

    def __init__(self, policy_: MarketPolicy | None = None) -> None:
        self.policy = policy_ or policy.get_current_policy()

    def list_prompt(
        self, *, caller: Caller, offer: ListingOffer, now: datetime
    ) -> PromptTokenListing:
        """Offer a prompt of one's own team for credits."""
        listing = listings.create_listing(policy=self.policy, caller=caller, offer=offer, now=now)
        listing_scores.refresh_scores(policy=self.policy, now=now, prompt_ids=[listing.prompt_id])
        listing.refresh_from_db()
        return listing

    def reprice(
        self,
        *,
        caller: Caller,
        listing: PromptTokenListing,
        token_cost: str | int | float | Decimal,
    ) -> PromptTokenListing:
        """Change what a listing costs from now on."""
        return listings.reprice(caller=caller, listing=listing, token_cost=token_cost)

    def withdraw_listing(
        self, *, caller: Caller, listing: PromptTokenListing, reason: str, now: datetime
    ) -> PromptTokenListing:
        """Take a listing off the market; buyers keep what they bought."""
        return listings.withdraw(caller=caller, listing=listing, reason=reason, now=now)

    def create_prompt_set(
        self,
        *,
        caller: Caller,
        team: Team,
        name: str,
        title: str,
        prompts: Sequence[Prompt],
        now: datetime,
        description: str = "",
        discount_bp: int = 0,
    ) -> PromptSet:
        """Put listed prompts together into a set with one discount."""
        return prompt_sets.create_prompt_set(
            caller=caller, team=team, name=name, title=title, prompts=prompts,
            description=description, discount_bp=discount_bp, now=now,
        )  # fmt: skip

    def withdraw_prompt_set(
        self, *, caller: Caller, prompt_set: PromptSet, now: datetime
    ) -> PromptSet:
        """Take a set off the market."""
        return prompt_sets.withdraw_prompt_set(caller=caller, prompt_set=prompt_set, now=now)

    def search(self, *, caller: Caller, query: ListingQuery, now: datetime) -> ListingPage:
        """Find listings, with the trust that an assistant can put in each."""
        return search.search_listings(caller=caller, query=query, now=now)

    def compute_scores(self, *, prompt: Prompt, now: datetime) -> ListingScores:
        """How far a prompt is adopted, how it is used and how its tags sell, with the counts behind each."""
        return listing_scores.compute_scores(policy=self.policy, prompts=[prompt], now=now)[
            prompt.pk
        ]

    def build_price_breakdown(self, *, listing: PromptTokenListing) -> list[PriceBreakdownItem]:
        """Who gets what of a listing's price."""
        return price_breakdown.build_price_breakdown(policy=self.policy, listing=listing)

    def buy(
        self,
        *,
        caller: Caller,
        price_micro: int,
        idempotency_key: str,
        now: datetime,
        listing: int | None = None,
        prompt_set: PromptSet | None = None,
        team: Team | None = None,
    ) -> PurchaseResult | PurchaseRequest:
        """Buy a listing (by its id) or a set at the price that the caller has seen; an assistant beyond its mandate
        asks a person instead."""
        if (listing is None) == (prompt_set is None):
            raise ValueError("buy one listing or one set")
        buy = purchase_requests.buy_or_request if caller.is_assistant else purchases.buy
        return buy(
            policy=self.policy, caller=caller, listing=listing, prompt_set=prompt_set,
            price_micro=price_micro, idempotency_key=idempotency_key, now=now, team=team,
        )  # fmt: skip

    def confirm_request(
        self, *, caller: Caller, request: PurchaseRequest, now: datetime
    ) -> PurchaseResult:
        """Buy what an assistant asked for."""
        return purchase_requests.confirm(
            policy=self.policy, caller=caller, request=request, now=now
        )

    def decline_request(
        self, *, caller: Caller, request: PurchaseRequest, now: datetime
    ) -> PurchaseRequest:
        """Say no to what an assistant asked for."""
        return purchase_requests.decline(caller=caller, request=request, now=now)

    def set_mandate(
        self,
        *,
        caller: Caller,
        assistant: Assistant,
        per_purchase_micro: int,
        per_day_micro: int,
        trust_floor: float,
        now: datetime,
    ) -> Mandate:
        """Say what an assistant may spend and put to work by itself."""
        return mandates.set_mandate(
            caller=caller, assistant=assistant, per_purchase_micro=per_purchase_micro,
            per_day_micro=per_day_micro, trust_floor=trust_floor, now=now,
        )  # fmt: skip

    def inject(
        self,
        *,
        caller: Caller,
        prompt: Prompt,
        assistant: Assistant,
        now: datetime,
        slot: str = injections.DEFAULT_SLOT,
        variables: Mapping[str, str] | None = None,
        override_reason: str = "",
    ) -> Injection:
        """Put a prompt to work in a slot of an assistant."""
        injection = injections.inject(
            caller=caller, prompt=prompt, assistant=assistant, slot=slot, variables=variables,
            override_reason=override_reason, now=now,
        )  # fmt: skip
        listing_scores.refresh_scores(policy=self.policy, now=now, prompt_ids=[prompt.pk])
        return injection

    def withdraw_injection(
        self, *, caller: Caller, injection: Injection, reason: str, now: datetime
    ) -> Injection:
        """Take a prompt out of an assistant's context."""
        ended = injections.withdraw(caller=caller, injection=injection, reason=reason, now=now)
        listing_scores.refresh_scores(policy=self.policy, now=now, prompt_ids=[injection.prompt_id])
        return ended

    def list_active_prompts(self, *, caller: Caller, assistant: Assistant) -> list[ActivePrompt]:
        """What is at work in an assistant now, with its text: for the assistant and its team."""
        injections.require_may_read(caller=caller, assistant=assistant)
        return injections.list_active_prompts(assistant=assistant)

    def fork(
        self, *, caller: Caller, parent: Prompt, draft: ForkDraft, team: Team, now: datetime
    ) -> Prompt:
        """Register a changed text as one's team's own, and freeze what its sales owe."""
        return forks.fork(caller=caller, parent=parent, draft=draft, team=team, now=now)

    def rate(
        self,
        *,
        caller: Caller,
        prompt: Prompt,
        stars: int,
        idempotency_key: str,
        now: datetime,
        tags: Sequence[str] = (),
        note: str = "",
    ) -> RecordResult:
        """Rate a prompt that one's team has used."""
        return ratings.rate(
            caller=caller,
            prompt=prompt,
            stars=stars,
            idempotency_key=idempotency_key,
            tags=tags,
            note=note,
            now=now,
        )

    def record_evidence(
        self, *, caller: Caller, claims: Sequence[EvidenceClaim], source: str, now: datetime
    ) -> RecordResult:
        """Append a batch of evidence, all of it or nothing, and settle the warranties that its outcomes decide."""
        return recording.record_evidence(caller=caller, claims=claims, source=source, now=now)

    def revoke_entitlement(
        self, *, caller: Caller, entitlement: Entitlement, reason: str, now: datetime
    ) -> Entitlement:
        """Take a prompt away from a team, at once."""
        return withdrawals.revoke_entitlement(
            caller=caller, entitlement=entitlement, reason=reason, now=now
        )

    def withdraw_permanently(
        self, *, caller: Caller, prompt: Prompt, reason: str, now: datetime
    ) -> Tombstone:
        """Withdraw a prompt from everywhere, for ever, at once."""
        return withdrawals.withdraw_permanently(
            caller=caller, prompt=prompt, reason=reason, now=now
        )

    def allow_copy(
        self, *, caller: Caller, prompt: Prompt, original: Prompt, reason: str, now: datetime
    ) -> CopyDecision:
        """Decide that a near-copy of another team's prompt may be listed without its royalty."""
        return copies.allow_copy(
            caller=caller, prompt=prompt, original=original, reason=reason, now=now
        )

    def decide_due_warranties(
        self, *, now: datetime, prompt_ids: set[int] | None = None
    ) -> list[Warranty]:
        """Pay out or refund what waits for warranties and can be decided now."""
        return warranties.decide_due(now=now, prompt_ids=prompt_ids)

    def decide_measured_warranties(self, *, batch: int, now: datetime) -> list[Warranty]:
        """Pay out or refund what the outcomes of a batch decide, where a run of a task recorded it: what comes in by
        `record_evidence` is settled there."""
        return warranties.decide_measured(batch=batch, now=now)

    def raise_trust_alerts(self, *, now: datetime) -> int:
        """Tell webhooks of prompts at work that their assistants trust less than their floor now; how many newly."""
        return notifications.raise_trust_alerts(now=now)

    def refresh_scores(self, *, now: datetime) -> int:
        """Bring the stored scores of all listings up to date; how many changed."""
        return listing_scores.refresh_scores(policy=self.policy, now=now)

    def export_bundle(
        self,
        *,
        caller: Caller,
        team: Team,
        now: datetime,
        prompts: Sequence[Prompt] = (),
        prompt_set: PromptSet | None = None,
        name: str = "",
        title: str = "",
        description: str = "",
        with_events: bool = False,
        owner_assistant: Assistant | None = None,
    ) -> PromptMarketplaceVault:
        """Sign a bundle of what a team may pass on."""
        return bundle_exports.export_bundle(
            caller=caller, prompts=prompts, prompt_set=prompt_set, team=team, name=name, title=title,
            description=description, with_events=with_events, owner_assistant=owner_assistant, now=now,
        )  # fmt: skip

    def get_or_issue_receipt(
        self, *, caller: Caller | None, transfer: int, now: datetime
    ) -> PromptMarketplaceVault | None:
        """The signed bundle of what was bought in one transfer, for the team that bought."""
        return bundle_exports.get_or_issue_receipt(caller=caller, transfer=transfer, now=now)

    def issue_due_receipts(self, *, now: datetime) -> int:
        """Make the receipts of sets that were bought lately; how many."""
        return bundle_exports.issue_due_receipts(now=now)

    def accept_bundle(
        self,
        *,
        caller: Caller,
        bundle_import: BundleImport,
        now: datetime,
        reason: str = "",
        runs: int | None = None,
        namespace: str | None = None,
    ) -> BundleImport:
        """Take in a bundle that waits in quarantine, with what sales of its prompts owe to other installations."""
        return bundle_exports.accept_bundle(
            caller=caller,
            bundle_import=bundle_import,
            reason=reason,
            runs=runs,
            namespace=namespace,
            now=now,
        )

    def list_foreign_balances(self, *, caller: Caller) -> list[ForeignBalance]:
        """Whoever of another installation is owed something here."""
        return foreign_royalties.list_foreign_balances(caller=caller)

    def record_foreign_payment(
        self,
        *,
        caller: Caller,
        holder: Principal,
        amount_micro: int,
        reason: str,
        idempotency_key: str,
        now: datetime,
    ) -> Posting:
        """Keep that somebody of another installation was paid outside."""
        return foreign_royalties.record_foreign_payment(
            caller=caller,
            holder=holder,
            amount_micro=amount_micro,
            reason=reason,
            idempotency_key=idempotency_key,
            now=now,
        )

    def apply_revocation_list(self, *, caller: Caller, raw: bytes, now: datetime) -> RevocationList:
        """Take in what another installation withdrew, and let it act at once."""
        return bundle_exports.apply_revocation_list(caller=caller, raw=raw, now=now)
