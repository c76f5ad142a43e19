"""What is offered, what was bought, what is put to work, and on which terms."""

from decimal import Decimal
from typing import ClassVar

from django.db import models

from mintmark.accounts.models import Principal, Team
from mintmark.common import amounts
from mintmark.registry.models import Entitlement, Prompt, Ritual
from mintmark.tokens.models import Transfer


class PromptTokenListing(models.Model):
    """A prompt offered for tokens. Once listed, only its price, its scores and whether it stands can change.

    `token_cost` in tokens, exact to the micro-token. The three scores lie in [0, 1] and are as of `scored_at` (see
    `market.metrics`). Rates are in basis points. A warranty is a ritual with a floor in [0, 1], or nothing.
    """

    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="listings")
    token_cost = models.DecimalField(max_digits=16, decimal_places=6)
    symbolic_tag_weight = models.FloatField(default=0.0)
    swarm_adoption_score = models.FloatField(default=0.0)
    codex_usage_score = models.FloatField(default=0.0)
    scored_at = models.DateTimeField(null=True, blank=True)
    listed_at = models.DateTimeField(auto_now_add=True)
    seller = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="listings")
    licence = models.CharField(max_length=64, help_text="an SPDX identifier")
    royalty_bp = models.PositiveIntegerField(
        default=0, help_text="what forks owe of each sale, in hundredths of a percent"
    )
    max_discount_bp = models.PositiveIntegerField(
        default=0, help_text="the largest discount at which others' sets may carry it"
    )
    warranty_ritual = models.ForeignKey(
        Ritual, on_delete=models.PROTECT, related_name="+", null=True, blank=True
    )
    warranty_floor = models.FloatField(null=True, blank=True)
    warranty_runs = models.PositiveIntegerField(null=True, blank=True)
    warranty_days = models.PositiveIntegerField(null=True, blank=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    withdrawal_reason = models.CharField(max_length=400, blank=True)

    class Meta:
        verbose_name = "listing"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["prompt"],
                name="listing_stands_once",
                condition=models.Q(withdrawn_at__isnull=True),
            ),
            models.CheckConstraint(
                condition=models.Q(token_cost__gt=0, token_cost__lte=10**9), name="listing_price"
            ),
            models.CheckConstraint(
                condition=models.Q(royalty_bp__lte=5_000, max_discount_bp__lte=10_000),
                name="listing_rates",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    warranty_ritual__isnull=True,
                    warranty_floor__isnull=True,
                    warranty_runs__isnull=True,
                    warranty_days__isnull=True,
                )
                | models.Q(
                    warranty_ritual__isnull=False,
                    warranty_floor__gt=0,
                    warranty_floor__lte=1,
                    warranty_runs__gte=1,
                    warranty_days__gte=1,
                ),
                name="listing_warranty_whole",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["token_cost", "id"], name="listing_by_price"),
            models.Index(fields=["swarm_adoption_score", "id"], name="listing_by_adoption"),
        ]

    def __str__(self) -> str:
        return f"{self.prompt_id} for {self.token_cost} tokens"

    @property
    def price_micro(self) -> int:
        return int(Decimal(self.token_cost).scaleb(6))

    @property
    def price(self) -> str:
        return amounts.format_tokens(self.price_micro)


class PromptSet(models.Model):
    """A curated, ordered collection of prompts, bought together at one discount; never changed, only withdrawn."""

    name = models.SlugField(max_length=64, unique=True)
    title = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    curator = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="prompt_sets")
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="prompt_sets")
    discount_bp = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(discount_bp__lte=9_000), name="prompt_set_discount"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class PromptSetItem(models.Model):
    """A prompt's place in a set, from 1."""

    prompt_set = models.ForeignKey(PromptSet, on_delete=models.CASCADE, related_name="items")
    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="+")
    position = models.PositiveIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["prompt_set", "prompt"], name="prompt_set_item_once"),
            models.UniqueConstraint(
                fields=["prompt_set", "position"], name="prompt_set_place_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.position}. of {self.prompt_set_id}"


class RoyaltyTerm(models.Model):
    """What a fork owes the holder of its parent, frozen when it was forked: append-only."""

    prompt = models.OneToOneField(Prompt, on_delete=models.PROTECT, related_name="royalty_term")
    ancestor = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="+")
    holder = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="royalties")
    rate_bp = models.PositiveIntegerField()
    agreed_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(rate_bp__gte=1, rate_bp__lte=5_000), name="royalty_rate"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.prompt_id} owes {self.holder_id} {self.rate_bp} bp"


class ForeignHolder(models.Model):
    """Somebody of another installation to whom sales here owe something: append-only. Their principal has a wallet.

    `installation` is the other installation's id, `holder` what it calls them; both together say who they are.
    """

    principal = models.OneToOneField(
        Principal, on_delete=models.PROTECT, primary_key=True, related_name="foreign_holder"
    )
    installation = models.CharField(max_length=32)
    holder = models.CharField(max_length=200)
    issuer_name = models.CharField(max_length=200, help_text="what the installation called itself")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["installation", "holder"], name="foreign_holder_once"),
        ]

    def __str__(self) -> str:
        return f"{self.holder} @ {self.issuer_name}"


class ForeignRoyalty(models.Model):
    """What a prompt that came from elsewhere owes a holder there, as its bundle said: append-only.

    `generation` counts from 0, the nearest; each takes its rate of what the nearer ones and the royalties owed here
    leave. `ancestor` is the reference there of what it is for.
    """

    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="foreign_royalties")
    generation = models.PositiveIntegerField()
    holder = models.ForeignKey(
        Principal, on_delete=models.PROTECT, related_name="foreign_royalties"
    )
    ancestor = models.CharField(max_length=300)
    rate_bp = models.PositiveIntegerField()
    agreed_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "foreign royalties"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["prompt", "generation"], name="foreign_royalty_once"),
            models.CheckConstraint(
                condition=models.Q(rate_bp__gte=1, rate_bp__lte=5_000), name="foreign_royalty_rate"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.prompt_id} owes {self.holder_id} {self.rate_bp} bp"


class Purchase(models.Model):
    """One prompt bought by one team: append-only. Those of a set share their transfer.

    `price_micro` is what was paid for it, in micro-tokens; `entitlement` is what was granted for it.
    """

    transfer = models.ForeignKey(
        Transfer, on_delete=models.PROTECT, related_name="purchases", db_constraint=False
    )
    listing = models.ForeignKey(
        PromptTokenListing, on_delete=models.PROTECT, related_name="purchases", db_constraint=False
    )
    prompt = models.ForeignKey(
        Prompt, on_delete=models.PROTECT, related_name="purchases", db_constraint=False
    )
    prompt_set = models.ForeignKey(
        PromptSet, on_delete=models.PROTECT, related_name="purchases", null=True, db_index=False
    )
    buyer = models.ForeignKey(
        Principal,
        on_delete=models.PROTECT,
        related_name="purchases",
        db_constraint=False,
        db_index=False,
    )
    team = models.ForeignKey(
        Team,
        on_delete=models.PROTECT,
        related_name="purchases",
        db_constraint=False,
        db_index=False,
    )
    price_micro = models.BigIntegerField()
    entitlement = models.OneToOneField(
        Entitlement, on_delete=models.PROTECT, related_name="purchase", db_constraint=False
    )
    bought_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(price_micro__gte=1), name="purchase_price"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["buyer", "bought_at"], name="purchase_of_buyer"),
            models.Index(fields=["team", "-id"], name="purchase_of_team"),
            models.Index(fields=["bought_at"], name="purchase_by_time"),
        ]

    def __str__(self) -> str:
        return f"purchase {self.pk}"


class Warranty(models.Model):
    """A purchase whose price waits in escrow until the buyer has measured enough, or the window ends.

    `split` is who gets what when it is paid out: a list of [account, micro-tokens], frozen at the purchase.
    """

    class State(models.TextChoices):
        OPEN = "open", "the price waits in escrow"
        KEPT = "kept", "paid out"
        FAILED = "failed", "refunded"

    purchase = models.OneToOneField(Purchase, on_delete=models.PROTECT, related_name="warranty")
    escrow = models.BigIntegerField(help_text="the account in which the price waits")
    split = models.JSONField()
    ends_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=State, default=State.OPEN)
    settled_at = models.DateTimeField(null=True, blank=True)
    score = models.FloatField(null=True, blank=True, help_text="what the buyer measured, in [0, 1]")
    runs = models.PositiveIntegerField(default=0)
    transfer = models.ForeignKey(
        Transfer, on_delete=models.PROTECT, related_name="+", null=True, db_constraint=False
    )

    class Meta:
        verbose_name_plural = "warranties"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(state="open", transfer__isnull=True)
                | models.Q(state__in=["kept", "failed"], transfer__isnull=False),
                name="warranty_settled_by_transfer",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["state", "ends_at"], name="warranty_due")]

    def __str__(self) -> str:
        return f"warranty of purchase {self.purchase_id}: {self.state}"


class CopyDecision(models.Model):
    """A treasurer's or administrator's decision that a near-copy of another team's prompt may be listed without paying
    it a royalty: append-only."""

    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="copy_decisions")
    original = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=400)
    decided_by = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["prompt", "original"], name="copy_decision_once"),
        ]

    def __str__(self) -> str:
        return f"prompt {self.prompt_id} may be listed beside prompt {self.original_id}"


class PurchaseRefund(models.Model):
    """A price that went back to the buyer since the seller withdrew the prompt for good: append-only."""

    purchase = models.OneToOneField(Purchase, on_delete=models.PROTECT, related_name="refund")
    transfer = models.ForeignKey(
        Transfer, on_delete=models.PROTECT, related_name="+", db_constraint=False
    )
    refunded_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"refund of purchase {self.purchase_id}"


class PurchaseRequest(models.Model):
    """A purchase that an assistant asked for and may not make by itself: it waits for a person."""

    class State(models.TextChoices):
        WAITING = "waiting", "waits for a person"
        CONFIRMED = "confirmed", "bought"
        DECLINED = "declined", "declined"

    buyer = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="requests")
    key = models.CharField(max_length=200)
    listing = models.ForeignKey(
        PromptTokenListing, on_delete=models.PROTECT, related_name="+", null=True
    )
    prompt_set = models.ForeignKey(PromptSet, on_delete=models.PROTECT, related_name="+", null=True)
    price_micro = models.BigIntegerField()
    why = models.CharField(max_length=200)
    asked_at = models.DateTimeField()
    state = models.CharField(max_length=16, choices=State, default=State.WAITING)
    decided_by = models.ForeignKey(
        Principal, on_delete=models.PROTECT, related_name="+", null=True, blank=True
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    transfer = models.ForeignKey(
        Transfer, on_delete=models.PROTECT, related_name="+", null=True, db_constraint=False
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["buyer", "key"], name="purchase_request_once"),
            models.CheckConstraint(
                condition=models.Q(listing__isnull=False, prompt_set__isnull=True)
                | models.Q(listing__isnull=True, prompt_set__isnull=False),
                name="purchase_request_for_one_thing",
            ),
        ]

    def __str__(self) -> str:
        return f"request {self.pk}: {self.state}"
