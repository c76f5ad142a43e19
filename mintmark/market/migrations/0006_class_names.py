"""The classes have the terms of the field; the tables keep their first names, so nothing happens to a store."""

from typing import ClassVar

from django.db import migrations


class Migration(migrations.Migration):
    dependencies: ClassVar = [("market", "0005_lock_then_check")]

    operations: ClassVar = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RenameModel("Fall", "TrustAlert"),
                migrations.AlterModelTable("TrustAlert", "market_fall"),
            ]
        )
    ]
