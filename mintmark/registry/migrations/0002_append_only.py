"""A registered prompt never changes; a label's history is never rewritten."""

from django.db import migrations

from mintmark.database.append_only import append_only


class Migration(migrations.Migration):
    dependencies = [("registry", "0001_initial")]

    operations = [
        append_only(
            "registry_prompt", except_columns=["is_open", "preview", "wording", "wording_version"]
        ),
        append_only("registry_labelmove"),
    ]
