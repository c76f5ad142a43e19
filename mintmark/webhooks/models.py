"""Webhooks of teams, and the outbox: one row for each message to each webhook."""

from typing import Any, ClassVar

from django.db import models

from mintmark.accounts.models import Principal, Team


class Webhook(models.Model):
    """A webhook address of a team. Its secret is encrypted; after a rotation the previous one signs too for a while."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="webhooks")
    url = models.CharField(max_length=500)
    kinds = models.JSONField(default=list, help_text="what it is told; empty: everything")
    note = models.CharField(max_length=200, blank=True)
    sealed = models.BinaryField()
    sealed_before = models.BinaryField(null=True, blank=True)
    before_until = models.DateTimeField(null=True, blank=True)
    made_by = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField()
    disabled_at = models.DateTimeField(null=True, blank=True)
    disabled_because = models.CharField(max_length=200, blank=True)
    removed_at = models.DateTimeField(
        null=True, blank=True, help_text="a row stays, since what is told just now may name it"
    )

    def __str__(self) -> str:
        return f"webhook {self.pk} of {self.team}"


class Delivery(models.Model):
    """A message to a webhook, written in the transaction of the event that it reports. The lease holder sends it until
    `lease_until`; after that another worker may. `message` is the same at each attempt, so that a receiver can
    recognise repetitions."""

    class State(models.TextChoices):
        WAITING = "waiting", "is sent when it is due"
        DELIVERED = "delivered", "was taken"
        FAILED = "failed", "was given up"

    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries")
    message = models.CharField(max_length=64, unique=True)
    kind = models.CharField(max_length=32)
    body: "models.JSONField[Any, Any]" = models.JSONField()
    told_at = models.DateTimeField()
    state = models.CharField(max_length=16, choices=State, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField()
    lease_holder = models.CharField(max_length=100, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    status = models.PositiveSmallIntegerField(null=True, blank=True)
    problem = models.CharField(max_length=200, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "deliveries"
        indexes: ClassVar = [models.Index(fields=["state", "due_at"], name="delivery_due")]

    def __str__(self) -> str:
        return f"{self.kind} {self.message}: {self.state}"
