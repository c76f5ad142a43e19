"""How a team reads the events of its OpenTelemetry exporters, and a count of what arrived; never what they said."""

from typing import ClassVar

from django.db import models

from mintmark.accounts.models import Principal, Team


class OtlpScoreMapping(models.Model):
    """One version of a team's mapping; the newest is in force. A version never changes: batches of the log name it."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="mappings")
    version = models.PositiveIntegerField()
    document = models.JSONField()
    set_by = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    set_at = models.DateTimeField()

    class Meta:
        db_table = "telemetry_mapping"  # its first name
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["team", "version"], name="mapping_version_once"),
        ]

    def __str__(self) -> str:
        return f"{self.team}@{self.version}"


class OtlpIngestCount(models.Model):
    """How often the same thing became of events of a team: recorded, repeated, or rejected for the same cause.

    `attribute` and `value` name what could not be read; a value is cut, and redacted of what looks like a secret.
    """

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="arrivals")
    fate = models.CharField(max_length=16)
    attribute = models.CharField(max_length=200)
    value = models.CharField(max_length=120)
    count = models.PositiveBigIntegerField()
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()

    class Meta:
        db_table = "telemetry_arrival"  # its first name
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["team", "fate", "attribute", "value"], name="arrival_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.count} {self.fate} {self.attribute} {self.value}".strip()
