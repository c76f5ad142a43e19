"""A tombstone is never taken away, and a grant changes only by its end."""

from django.db import migrations

from mintmark.storage.append_only import make_append_only


class Migration(migrations.Migration):
    dependencies = [("registry", "0003_entitlements_end")]

    operations = [
        make_append_only("registry_tombstone"),
        make_append_only("registry_entitlement", except_columns=["ended_at", "end_reason"]),
    ]
