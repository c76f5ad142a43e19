"""What is kept of bundles and keys: those issued, those that came in, who signs, who is trusted, what was revoked."""

from datetime import datetime
from typing import ClassVar

from django.db import models

from mintmark.accounts.models import Principal, Team
from mintmark.registry.models import Assistant, Prompt
from mintmark.signing import key_policy
from mintmark.tokens.models import Transfer


class Installation(models.Model):
    """Which installation this is: one row, with a random id of 32 hex digits that stays."""

    installation = models.CharField(max_length=32, unique=True)

    class Meta:
        db_table = "vault_identity"  # its first name
        verbose_name_plural = "identities"
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(id=1), name="one_installation"),
        ]

    def __str__(self) -> str:
        return self.installation


class SigningKey(models.Model):
    """An Ed25519 key that signs for a team, or (team empty) for the installation.

    The private half is either `sealed` (see `vault.keys`) or stays in `file`. A retired key signs no more and what it
    signed stays good; a revoked one's signatures are worth nothing.
    """

    key_id = models.CharField(max_length=64, unique=True, help_text="the public key in hex")
    team = models.ForeignKey(
        Team, on_delete=models.PROTECT, related_name="signing_keys", null=True, blank=True
    )
    sealed = models.BinaryField(null=True, editable=False)
    file = models.CharField(max_length=500, blank=True)
    note = models.CharField(max_length=200, blank=True)
    made_by = models.ForeignKey(
        Principal, on_delete=models.PROTECT, related_name="+", null=True, blank=True
    )
    made_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    retired_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    revocation_reason = models.CharField(max_length=400, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(sealed__isnull=False, file="")
                | (models.Q(sealed__isnull=True) & ~models.Q(file="")),
                name="signing_key_is_somewhere",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key_id[:16]}…"

    def state(self, *, now: datetime) -> str:
        """What it is good for now: it `signs`, or is `retired`, `expired` or `revoked`."""
        key_state = key_policy.get_key_state(
            expires_at=self.expires_at, revoked_at=self.revoked_at, now=now
        )
        if self.retired_at is not None and key_state != "revoked":
            return "retired"
        return "signs" if key_state == "trusted" else key_state


class TrustedKey(models.Model):
    """A key of others whose signatures count here, since an admin said so, until it expires or is revoked."""

    key_id = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=200)
    reason = models.CharField(max_length=400)
    trusted_by = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    trusted_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    revocation_reason = models.CharField(max_length=400, blank=True)

    def __str__(self) -> str:
        return self.name

    def state(self, *, now: datetime) -> key_policy.KeyState:
        """What its signatures are worth now."""
        return key_policy.get_key_state(
            expires_at=self.expires_at, revoked_at=self.revoked_at, now=now
        )


class PromptMarketplaceVault(models.Model):
    """A bundle kept here: append-only. `symbolic_signature` is its envelope (JSON, as DSSE writes it), `exported_json`
    the statement that it signs; both as `core.bundles` has them, so the one verifies against the other at any time."""

    class Purpose(models.TextChoices):
        EXPORT = "export", "made here to be carried elsewhere"
        RECEIPT = "receipt", "what a buyer got"
        IMPORT = "import", "came from elsewhere"

    owner_assistant = models.ForeignKey(
        Assistant, on_delete=models.PROTECT, related_name="vaults", null=True, blank=True
    )
    prompt_set = models.ManyToManyField(Prompt, related_name="vaults", blank=True)
    symbolic_signature = models.TextField()
    exported_json = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="vaults")
    made_by = models.ForeignKey(
        Principal, on_delete=models.PROTECT, related_name="+", null=True, blank=True
    )
    purpose = models.CharField(max_length=8, choices=Purpose)
    name = models.CharField(max_length=200)
    digest = models.CharField(max_length=64, help_text="the SHA-256 of its file")
    receipt_of = models.OneToOneField(
        Transfer, on_delete=models.PROTECT, related_name="vault", null=True, db_constraint=False
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["team", "digest"], name="vault_once_for_a_team"),
            models.CheckConstraint(
                condition=models.Q(purpose="receipt", receipt_of__isnull=False)
                | (~models.Q(purpose="receipt") & models.Q(receipt_of__isnull=True)),
                name="vault_receipt_of_a_transfer",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.digest[:12]}…)"


class BundleSignature(models.Model):
    """A key that signed a bundle kept here: append-only, so that a question by key needs to read no envelope."""

    vault = models.ForeignKey(
        PromptMarketplaceVault, on_delete=models.PROTECT, related_name="signatures"
    )
    key_id = models.CharField(max_length=64)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["key_id", "vault"], name="bundle_signature_once"),
        ]

    def __str__(self) -> str:
        return f"{self.key_id[:16]}… of vault {self.vault_id}"


class BundleImport(models.Model):
    """A file that somebody brought. What was refused leaves its digest, its size and why; nothing of what it held."""

    class State(models.TextChoices):
        WAITING = "waiting", "in quarantine"
        ACCEPTED = "accepted", "taken in"
        REFUSED = "refused", "refused"

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="imports")
    brought_by = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    brought_at = models.DateTimeField()
    digest = models.CharField(max_length=64)
    size = models.BigIntegerField(help_text="in bytes")
    state = models.CharField(max_length=8, choices=State)
    code = models.CharField(max_length=40, blank=True, help_text="of a refusal")
    reason = models.CharField(max_length=1000, blank=True)
    findings = models.JSONField(default=list, help_text="what there is to look at, while it waits")
    envelope = models.TextField(blank=True, help_text="the file, while it waits")
    vault = models.ForeignKey(
        PromptMarketplaceVault, on_delete=models.PROTECT, related_name="imports", null=True
    )
    runs = models.PositiveIntegerField(
        null=True, help_text="the runs as which its reputation counts"
    )
    decided_by = models.ForeignKey(
        Principal, on_delete=models.PROTECT, related_name="+", null=True, blank=True
    )
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=(models.Q(state="waiting", vault__isnull=True) & ~models.Q(envelope=""))
                | models.Q(state="accepted", vault__isnull=False, envelope="")
                | models.Q(state="refused", vault__isnull=True, envelope="", findings=[]),
                name="import_keeps_what_it_may",
            ),
            models.UniqueConstraint(
                fields=["team", "digest"],
                condition=~models.Q(state="refused"),
                name="import_once_for_a_team",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["team", "-id"], name="import_of_team")]

    def __str__(self) -> str:
        return f"import {self.pk}: {self.state}"


class PromptProvenance(models.Model):
    """Where a prompt of here came from: append-only. `issuer` is the id of the installation that exported it."""

    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="foreign")
    vault = models.ForeignKey(
        PromptMarketplaceVault, on_delete=models.PROTECT, related_name="foreign"
    )
    issuer = models.CharField(max_length=32)
    issuer_name = models.CharField(max_length=200)
    name = models.CharField(max_length=300, help_text="its reference there")
    author = models.CharField(max_length=200)
    reputation = models.JSONField(help_text="as the bundle tells it")
    registered = models.BooleanField(help_text="whether it came with this bundle, or was here")

    class Meta:
        db_table = "vault_foreignprompt"  # its first name
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["prompt", "vault"], name="foreign_prompt_once"),
        ]
        indexes: ClassVar = [models.Index(fields=["issuer"], name="foreign_by_issuer")]

    def __str__(self) -> str:
        return f"{self.prompt_id} is {self.name} of {self.issuer_name}"


class RevocationList(models.Model):
    """A list of what another installation withdrew, as it signed it: append-only; the highest sequence holds."""

    issuer = models.CharField(max_length=32)
    sequence = models.PositiveBigIntegerField()
    envelope = models.TextField()
    key_id = models.CharField(max_length=64)
    brought_by = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    brought_at = models.DateTimeField()
    applied = models.PositiveIntegerField(help_text="prompts of here that it withdrew")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["issuer", "sequence"], name="revocation_list_once"),
        ]

    def __str__(self) -> str:
        return f"revocations {self.sequence} of {self.issuer[:8]}…"
