"""The classes have the terms of the field; the tables keep their first names, so nothing happens to a store."""

from typing import ClassVar

from django.db import migrations


class Migration(migrations.Migration):
    dependencies: ClassVar = [("rituals", "0003_looks")]

    operations: ClassVar = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RenameModel("Runner", "RunnerSettings"),
                migrations.AlterModelTable("RunnerSettings", "rituals_runner"),
                migrations.RenameModel("PairRun", "ComparisonCall"),
                migrations.AlterModelTable("ComparisonCall", "rituals_pairrun"),
                migrations.RenameModel("Look", "ComparisonSnapshot"),
                migrations.AlterModelTable("ComparisonSnapshot", "rituals_look"),
            ]
        )
    ]
