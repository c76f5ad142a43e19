"""Prompts at work in assistants, and what an assistant may spend. The tables keep their first names (`market_…`)."""

from typing import ClassVar

from django.db import models

from mintmark.accounts.models import Principal
from mintmark.registry.models import Assistant, Prompt


class Injection(models.Model):
    """A prompt at work in a named slot of an assistant, from its injection to its end; never two in one slot."""

    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="injections")
    assistant = models.ForeignKey(Assistant, on_delete=models.PROTECT, related_name="injections")
    slot = models.CharField(max_length=64)
    variables = models.JSONField(default=dict)
    injected_by = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    injected_at = models.DateTimeField()
    override_reason = models.CharField(
        max_length=400, blank=True, help_text="why it was put to work against its gates"
    )
    overridden = models.JSONField(default=list, help_text="the gates that were overridden")
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(
        Principal, on_delete=models.PROTECT, related_name="+", null=True, blank=True
    )
    end_reason = models.CharField(max_length=400, blank=True)

    class Meta:
        app_label = "market"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["assistant", "slot"],
                name="injection_slot_once",
                condition=models.Q(ended_at__isnull=True),
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["prompt"],
                name="injection_active",
                condition=models.Q(ended_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.prompt_id} in {self.slot} of {self.assistant_id}"


class TrustAlert(models.Model):
    """An injection whose assistant trusts it less than its floor; the row is there as long as that is so."""

    injection = models.OneToOneField(Injection, on_delete=models.CASCADE, related_name="fall")
    fell_at = models.DateTimeField()

    class Meta:
        db_table = "market_fall"  # its first name
        app_label = "market"

    def __str__(self) -> str:
        return f"{self.injection} since {self.fell_at:%F}"


class Mandate(models.Model):
    """What an assistant may do in the market by itself: without a row it spends nothing and injects what it trusts not
    at all less than 0. Limits are in micro-tokens, a day is one of UTC; above them a person confirms."""

    assistant = models.OneToOneField(Assistant, on_delete=models.CASCADE, related_name="mandate")
    per_purchase_micro = models.BigIntegerField(default=0)
    per_day_micro = models.BigIntegerField(default=0)
    trust_floor = models.FloatField(
        default=0.0, help_text="the lower bound of trust that an injection needs"
    )
    set_by = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    set_at = models.DateTimeField()

    class Meta:
        app_label = "market"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(
                    per_purchase_micro__gte=0,
                    per_day_micro__gte=0,
                    trust_floor__gte=0,
                    trust_floor__lte=1,
                ),
                name="mandate_bounds",
            ),
        ]

    def __str__(self) -> str:
        return f"mandate of {self.assistant_id}"
