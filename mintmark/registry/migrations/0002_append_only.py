"""A registered prompt never changes; a label's history is never rewritten."""

from django.db import migrations

from mintmark.storage.append_only import make_append_only


class Migration(migrations.Migration):
    dependencies = [("registry", "0001_initial")]

    operations = [
        make_append_only(
            "registry_prompt", except_columns=["is_open", "preview", "wording", "wording_version"]
        ),
        make_append_only("registry_labelmove"),
    ]
