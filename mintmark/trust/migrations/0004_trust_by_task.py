"""A pair's trust is kept by task. Its rows are filled when the log is folded again, by `mintmark migrate`."""

from typing import ClassVar

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("registry", "0007_reached"),
        ("trust", "0003_own_view"),
    ]

    operations: ClassVar = [
        *(
            migrations.RemoveField("assistantprompttrustmap", name)
            for name in (
                "trust",
                "trust_low",
                "trust_high",
                "own_trust",
                "own_trust_low",
                "own_trust_high",
                "own_resonance",
            )
        ),
        migrations.CreateModel(
            name="AssistantPromptTaskTrust",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("trust", models.FloatField(null=True)),
                ("trust_low", models.FloatField(null=True)),
                ("trust_high", models.FloatField(null=True)),
                ("resonance", models.FloatField(null=True)),
                ("logit", models.FloatField(null=True)),
                ("own_trust", models.FloatField(null=True)),
                ("own_trust_low", models.FloatField(null=True)),
                ("own_trust_high", models.FloatField(null=True)),
                ("own_resonance", models.FloatField(null=True)),
                ("own_logit", models.FloatField(null=True)),
                ("runs", models.FloatField(default=0.0)),
                ("proven_runs", models.FloatField(default=0.0)),
                (
                    "event",
                    models.BigIntegerField(
                        default=0, help_text="the last measured event of this row"
                    ),
                ),
                ("updated_at", models.DateTimeField(auto_now=True)),
                (
                    "assistant",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="registry.assistant",
                    ),
                ),
                (
                    "prompt",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="registry.prompt",
                    ),
                ),
                (
                    "ritual",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="registry.ritual",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("assistant", "prompt", "ritual"), name="trust_task_once"
                    )
                ],
            },
        ),
        migrations.AddField(
            "assistantprompttasktrust",
            "pair",
            models.ForeignObject(
                from_fields=["assistant", "prompt"],
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="tasks",
                to="trust.assistantprompttrustmap",
                to_fields=["assistant", "prompt"],
            ),
        ),
    ]
