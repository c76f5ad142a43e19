"""A policy and a published score never change."""

from django.db import migrations

from mintmark.storage.append_only import make_append_only


class Migration(migrations.Migration):
    dependencies = [("reputation", "0001_initial")]

    operations = [
        make_append_only("reputation_policy"),
        make_append_only("reputation_promptreputationscore"),
    ]
