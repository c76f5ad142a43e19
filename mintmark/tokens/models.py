"""The token book: accounts, balanced transfers, and their entries in integer micro-credits."""

from typing import ClassVar

from django.db import models

from mintmark.accounts.models import Principal
from mintmark.storage import checkpoints


class Account(models.Model):
    """Holds tokens. A wallet has an owner, whose id is its own; the house's accounts have none (see `tokens.house`).

    The treasury and the escrow are parted into shards, so that no row is locked by every sale at once. A balance under
    `floor_micro` is refused by the database; only the issuance, from which all tokens come, has no floor (null).
    """

    class Kind(models.TextChoices):
        WALLET = "wallet"
        TREASURY = "treasury"
        ESCROW = "escrow"
        ISSUANCE = "issuance"

    id = models.BigIntegerField(primary_key=True)
    kind = models.CharField(max_length=16, choices=Kind)
    owner = models.OneToOneField(
        Principal, on_delete=models.PROTECT, related_name="wallet", null=True, blank=True
    )
    shard = models.PositiveSmallIntegerField(default=0)
    balance_micro = models.BigIntegerField(default=0)
    floor_micro = models.BigIntegerField(default=0, null=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(floor_micro__isnull=True)
                | models.Q(balance_micro__gte=models.F("floor_micro")),
                name="account_not_below_floor",
            ),
            models.CheckConstraint(
                condition=models.Q(kind="wallet", owner__isnull=False)
                | models.Q(kind__in=["treasury", "escrow", "issuance"], owner__isnull=True),
                name="account_owner",
            ),
            models.UniqueConstraint(
                fields=["kind", "shard"],
                name="account_shard_once",
                condition=models.Q(owner__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"wallet of {self.owner}" if self.owner_id else f"{self.kind} {self.shard}"


class Transfer(models.Model):
    """Tokens that moved together, once: `key` is unique, `digest` is of what was asked under it.

    `cause` says what for, `actor` who caused it. On PostgreSQL `xid` is the writing transaction, as in the log.
    """

    class Cause(models.TextChoices):
        GRANT = "grant", "opening grant"
        MINT = "mint", "issued by a treasurer"
        GIFT = "gift", "given"
        PURCHASE = "purchase", "purchase"
        RELEASE = "release", "warranty kept: paid out"
        REFUND = "refund", "warranty failed: refunded"
        WITHDRAWAL = "withdrawal", "withdrawn by its seller: refunded"
        SETTLEMENT = "settlement", "paid outside, to another installation"

    key = models.CharField(max_length=300, unique=True)
    digest = models.BinaryField(max_length=32)
    cause = models.CharField(max_length=16, choices=Cause)
    memo = models.CharField(max_length=200, blank=True)
    # No foreign keys in the book: it is written at every sale, and the audit proves what they would.
    actor = models.ForeignKey(
        Principal,
        on_delete=models.PROTECT,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    posted_at = models.DateTimeField()
    xid = models.BigIntegerField(db_default=0)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["xid", "id"], name="transfer_order")]

    def __str__(self) -> str:
        return f"{self.cause} {self.pk}"


class Entry(models.Model):
    """One account's part in a transfer, whose entries sum to 0; `balance_micro` is what the account then held."""

    transfer = models.ForeignKey(
        Transfer, on_delete=models.PROTECT, related_name="entries", db_constraint=False
    )
    account = models.ForeignKey(
        Account,
        on_delete=models.PROTECT,
        related_name="entries",
        db_constraint=False,
        db_index=False,
    )
    amount_micro = models.BigIntegerField()
    balance_micro = models.BigIntegerField()

    class Meta:
        verbose_name_plural = "entries"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=~models.Q(amount_micro=0), name="entry_moves_something"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["account", "-id"], name="entry_of_account")]

    def __str__(self) -> str:
        return f"{self.amount_micro:+} on {self.account_id}"


class TokenCheckpoint(checkpoints.Checkpoint):
    """One link of the chain over the transfers with their entries; see `tokens.checkpoints`."""

    class Meta(checkpoints.Checkpoint.Meta):
        db_table = "tokens_seal"  # its first name
