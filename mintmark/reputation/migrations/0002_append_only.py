"""A policy and a published score never change."""

from django.db import migrations

from mintmark.database.append_only import append_only


class Migration(migrations.Migration):
    dependencies = [("reputation", "0001_initial")]

    operations = [
        append_only("reputation_policy"),
        append_only("reputation_promptreputationscore"),
    ]
