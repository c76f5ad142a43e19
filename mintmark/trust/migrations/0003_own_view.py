"""A pair's trust from decisive runs alone, and beside it as the assistant's team sees it."""

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("trust", "0002_class_names")]

    operations: ClassVar = [
        migrations.AddField("assistantprompttrustmap", "own_trust", models.FloatField(null=True)),
        migrations.AddField(
            "assistantprompttrustmap", "own_trust_low", models.FloatField(null=True)
        ),
        migrations.AddField(
            "assistantprompttrustmap", "own_trust_high", models.FloatField(null=True)
        ),
        migrations.AddField(
            "assistantprompttrustmap", "own_resonance", models.FloatField(default=0.0)
        ),
        migrations.AddField(
            "assistantprompttrustmap", "proven_runs", models.FloatField(default=0.0)
        ),
    ]
