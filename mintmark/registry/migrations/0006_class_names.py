"""The classes have the terms of the field; the tables keep their first names, so nothing happens to a store."""

from typing import ClassVar

from django.db import migrations


class Migration(migrations.Migration):
    dependencies: ClassVar = [("registry", "0005_default_codex")]

    operations: ClassVar = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RenameModel("Tagging", "PromptTag"),
                migrations.AlterModelTable("PromptTag", "registry_tagging"),
            ]
        )
    ]
