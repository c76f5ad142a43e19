"""The classes have the terms of the field; the tables keep their first names, so nothing happens to a store."""

from typing import ClassVar

from django.db import migrations


class Migration(migrations.Migration):
    dependencies: ClassVar = [("reputation", "0003_foreign_reputation")]

    operations: ClassVar = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RenameModel("Standing", "CurrentPromptScore"),
                migrations.AlterModelTable("CurrentPromptScore", "reputation_standing"),
                migrations.RenameModel("FoldState", "ProjectionState"),
                migrations.AlterModelTable("ProjectionState", "reputation_foldstate"),
                migrations.RenameModel("LiveRating", "ActiveRating"),
                migrations.AlterModelTable("ActiveRating", "reputation_liverating"),
                migrations.RenameModel("ForeignReputation", "ImportedReputation"),
                migrations.AlterModelTable("ImportedReputation", "reputation_foreignreputation"),
            ]
        )
    ]
