"""A tombstone is never taken away, and a grant changes only by its end."""

from django.db import migrations

from mintmark.database.append_only import append_only


class Migration(migrations.Migration):
    dependencies = [("registry", "0003_entitlements_end")]

    operations = [
        append_only("registry_tombstone"),
        append_only("registry_entitlement", except_columns=["ended_at", "end_reason"]),
    ]
