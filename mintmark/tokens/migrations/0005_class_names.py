"""The classes have the terms of the field; the tables keep their first names, so nothing happens to a store."""

from typing import ClassVar

from django.db import migrations


class Migration(migrations.Migration):
    dependencies: ClassVar = [("tokens", "0004_settlement")]

    operations: ClassVar = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RenameModel("Seal", "TokenCheckpoint"),
                migrations.AlterModelTable("TokenCheckpoint", "tokens_seal"),
            ]
        )
    ]
