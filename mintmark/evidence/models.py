"""The evidence log: append-only rows, in batches, in one total order."""

from typing import ClassVar

from django.db import models

from mintmark.accounts.models import Principal
from mintmark.common import evidence_kinds, provenance
from mintmark.registry.models import Assistant, Prompt, Ritual
from mintmark.storage import checkpoints


class Batch(models.Model):
    """The events that one call recorded together, all or none."""

    actor = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="batches")
    source = models.CharField(max_length=100)
    recorded_at = models.DateTimeField()
    size = models.PositiveIntegerField()

    class Meta:
        verbose_name_plural = "batches"

    def __str__(self) -> str:
        return f"batch {self.pk} ({self.source})"


class EventQuerySet(models.QuerySet["Event"]):
    """Events by what they may count for; an event older than provenance is word."""

    def filter_decisive(self) -> "EventQuerySet":
        """Those that count in full for everybody."""
        return self.filter(provenance__in=sorted(provenance.DECISIVE))

    def filter_shared(self) -> "EventQuerySet":
        """Evidence that may count for other teams than the reporter's: whatever is computed from events themselves, and
        shown to everybody, starts from these."""
        return self.exclude(provenance__in=sorted(provenance.OWN_VIEW_ONLY)).filter(
            kind__in=sorted(evidence_kinds.REPORTABLE)
        )


class Event(models.Model):
    """One piece of evidence. Triggers refuse UPDATE and DELETE.

    The order of the log is (`xid`, `id`): on PostgreSQL `xid` is the writing transaction (see `evidence.log`), on
    SQLite, which has a single writer, it is 0. `cohort` (the team of the rater, or of the assistant that was measured),
    `admissible` (whether an opinion may count) and `provenance` (where it comes from, NULL for events older than that
    column) are facts about the time of recording, stored here so that a replay finds them unchanged.
    """

    batch = models.ForeignKey(Batch, on_delete=models.PROTECT, related_name="events")
    kind = models.PositiveSmallIntegerField(
        choices=[(k.value, k.name.lower()) for k in evidence_kinds.EvidenceKind]
    )
    prompt = models.ForeignKey(
        Prompt, on_delete=models.PROTECT, related_name="events", db_index=False
    )
    assistant = models.ForeignKey(
        Assistant, on_delete=models.PROTECT, related_name="events", null=True, db_index=False
    )
    ritual = models.ForeignKey(
        Ritual, on_delete=models.PROTECT, related_name="events", null=True, db_index=False
    )
    actor = models.ForeignKey(
        Principal, on_delete=models.PROTECT, related_name="events", db_index=False
    )
    cohort = models.BigIntegerField(default=0)
    admissible = models.BooleanField(default=True)
    score = models.FloatField()
    runs = models.PositiveIntegerField(default=1)
    tags = models.JSONField(default=list)
    note = models.CharField(max_length=400, blank=True)
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    key = models.CharField(max_length=200)
    digest = models.BinaryField(max_length=32)
    xid = models.BigIntegerField(db_default=0)
    provenance = models.PositiveSmallIntegerField(
        choices=[(p.value, p.name.lower()) for p in provenance.Provenance], null=True
    )

    objects = EventQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["actor", "key"], name="event_key_once"),
            models.CheckConstraint(
                condition=models.Q(score__gte=0, score__lte=1), name="event_score_in_unit"
            ),
            models.CheckConstraint(
                condition=models.Q(runs__gte=1, runs__lte=1_000_000), name="event_runs"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["xid", "id"], name="event_order"),
            models.Index(fields=["prompt", "id"], name="event_of_prompt"),
            models.Index(fields=["assistant", "prompt"], name="event_of_pair"),
            # What claims are there to run again, and what of a team's claims must be weighed anew.
            models.Index(
                fields=["id"], name="event_claims", condition=models.Q(provenance__in=(1, 2))
            ),
        ]

    def __str__(self) -> str:
        return f"event {self.pk}"


class EventCase(models.Model):
    """The verdict on one case of a reported outcome: its mean `score` over `runs`. Append-only.

    `output_digest` is the SHA-256 of the output, where the reporter gave it.
    """

    event = models.ForeignKey(Event, on_delete=models.PROTECT, related_name="cases")
    case_id = models.CharField(max_length=200)
    score = models.FloatField()
    runs = models.PositiveIntegerField(default=1)
    output_digest = models.CharField(max_length=64, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["event", "case_id"], name="event_case_once"),
            models.CheckConstraint(
                condition=models.Q(score__gte=0, score__lte=1, runs__gte=1), name="event_case_valid"
            ),
        ]

    def __str__(self) -> str:
        return f"case {self.case_id} of event {self.event_id}"


class ClaimVerdict(models.Model):
    """A reported outcome compared with a new execution of some of its cases. Append-only.

    `claimed` and `executed` are the mean scores over those `cases`; `variance` is V of the task and `noise_share` φ of
    it (`scoring.reporter_record`). `is_credit` is false where the reporter's own team asked for it.
    """

    event = models.ForeignKey(Event, on_delete=models.PROTECT, related_name="verdicts")
    execution = models.ForeignKey(Event, on_delete=models.PROTECT, related_name="+")
    cases = models.PositiveIntegerField()
    claimed = models.FloatField()
    executed = models.FloatField()
    variance = models.FloatField()
    noise_share = models.FloatField()
    held = models.BooleanField(help_text="the difference is more likely by chance than by a lie")
    is_credit = models.BooleanField(default=True)
    recorded_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["event", "execution"], name="claim_verdict_once"),
            models.CheckConstraint(
                condition=models.Q(cases__gte=1, variance__gt=0, noise_share__gt=0),
                name="claim_verdict_valid",
            ),
        ]

    def __str__(self) -> str:
        return f"verdict on event {self.event_id}"


class Vouch(models.Model):
    """An administrator's word that what a reporter records is measured as if this installation had run it. It ends, and
    stays on record."""

    reporter = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="vouches")
    reason = models.CharField(max_length=400)
    given_by = models.ForeignKey(Principal, on_delete=models.PROTECT, related_name="+")
    given_at = models.DateTimeField()
    ended_by = models.ForeignKey(Principal, on_delete=models.PROTECT, null=True, related_name="+")
    ended_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "vouches"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["reporter"],
                name="vouch_once",
                condition=models.Q(ended_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.given_by} vouches for {self.reporter}"


class EvidenceCheckpoint(checkpoints.Checkpoint):
    """One checkpoint of the chain over the events; see `evidence.checkpoints`."""

    class Meta(checkpoints.Checkpoint.Meta):
        db_table = "evidence_seal"  # its first name
