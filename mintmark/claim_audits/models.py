"""Audits of claims, as jobs of the worker, and what an administrator lets them cost."""

from typing import Any, ClassVar

from django.db import models

from mintmark.accounts.models import Principal
from mintmark.evidence.models import Event
from mintmark.registry.models import Assistant, Prompt, Ritual
from mintmark.rituals.models import JobItem, MeasurementJob


class AuditPolicy(models.Model):
    """How much is run again; the newest row is in force. Append-only.

    `share` is the part of claimed runs, at most 0.02. `budgets` is what audits may cost within 24 hours, in micro-units
    by currency; an endpoint that costs money is called only in a currency that is named there.
    """

    share = models.FloatField()
    budgets = models.JSONField(default=dict)
    set_by = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    set_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "audit policies"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(share__gte=0.0, share__lte=0.02), name="audit_policy_share"
            ),
        ]

    def __str__(self) -> str:
        return f"audit policy {self.pk}"


class ClaimAudit(MeasurementJob):
    """A few cases of a reported outcome, run again by the installation. `execution` is the event that it became."""

    class Choice(models.TextChoices):
        DRAWN = "drawn", "drawn by the worker"
        ASKED = "asked", "somebody asked for it"

    claim = models.ForeignKey(Event, on_delete=models.PROTECT, related_name="audits")
    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="+")
    assistant = models.ForeignKey(Assistant, on_delete=models.PROTECT, related_name="+")
    ritual = models.ForeignKey(Ritual, on_delete=models.PROTECT, related_name="+")
    choice = models.CharField(max_length=8, choices=Choice)
    execution = models.ForeignKey(Event, on_delete=models.PROTECT, related_name="+", null=True)

    PARENT_FIELD = "audit"

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["assistant"],
                name="claim_audit_one_at_a_time",
                condition=models.Q(state="running"),
            ),
            models.UniqueConstraint(
                fields=["claim"],
                name="claim_audit_asked_once",
                condition=models.Q(choice="asked"),
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["state", "id"], name="claim_audit_state"),
            models.Index(fields=["created_at"], name="claim_audit_created"),
        ]

    def __str__(self) -> str:
        return f"audit {self.pk} of event {self.claim_id}"

    @property
    def items(self) -> "models.QuerySet[Any]":
        return self.audit_calls.all()


class AuditCall(JobItem):
    """One case of an audit. `squared_difference` is how far its score is from that of an earlier execution of the same
    case on the same model, squared; empty where there was none."""

    audit = models.ForeignKey(ClaimAudit, on_delete=models.CASCADE, related_name="audit_calls")
    number = models.PositiveSmallIntegerField(help_text="the case's place in the ritual, from 0")
    case_id = models.CharField(max_length=100)
    output_digest = models.CharField(max_length=64, blank=True)
    squared_difference = models.FloatField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["audit", "number"], name="audit_call_once"),
        ]

    def __str__(self) -> str:
        return f"case {self.case_id} of audit {self.audit_id}"
