"""The classes have the terms of the field; the tables keep their first names, so nothing happens to a store."""

from typing import ClassVar

from django.db import migrations


class Migration(migrations.Migration):
    dependencies: ClassVar = [("vault", "0004_error_codes")]

    operations: ClassVar = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RenameModel("Identity", "Installation"),
                migrations.AlterModelTable("Installation", "vault_identity"),
                migrations.RenameModel("ForeignPrompt", "PromptProvenance"),
                migrations.AlterModelTable("PromptProvenance", "vault_foreignprompt"),
            ]
        )
    ]
