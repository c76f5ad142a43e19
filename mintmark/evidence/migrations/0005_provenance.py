"""Every event says where it comes from, and may say what each of its cases gave."""

import django.db.models.deletion
from django.db import migrations, models

from mintmark.storage.append_only import make_append_only, suspend_append_only

_KINDS = [
    (0, "outcome"), (1, "replay"), (2, "approval"), (3, "rating"), (4, "recall"), (5, "clause"), (6, "reweigh_team"),
    (7, "reweigh_prompt"),
]  # fmt: skip
_PROVENANCES = [
    (0, "executed"), (1, "vouched"), (2, "claim"), (3, "word"), (4, "interested"), (5, "no_right"),
]  # fmt: skip


class Migration(migrations.Migration):
    dependencies = [("evidence", "0004_class_names")]

    operations = [
        suspend_append_only("evidence_event"),
        migrations.AddField(
            model_name="event",
            name="provenance",
            field=models.PositiveSmallIntegerField(choices=_PROVENANCES, null=True),
        ),
        migrations.AlterField(
            model_name="event",
            name="kind",
            field=models.PositiveSmallIntegerField(choices=_KINDS),
        ),
        make_append_only("evidence_event"),
        migrations.CreateModel(
            name="EventCase",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("case_id", models.CharField(max_length=200)),
                ("score", models.FloatField()),
                ("runs", models.PositiveIntegerField(default=1)),
                ("output_digest", models.CharField(blank=True, max_length=64)),
                (
                    "event",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="cases",
                        to="evidence.event",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("event", "case_id"), name="event_case_once"),
                    models.CheckConstraint(
                        condition=models.Q(score__gte=0, score__lte=1, runs__gte=1),
                        name="event_case_valid",
                    ),
                ]
            },
        ),
        make_append_only("evidence_eventcase"),
    ]
