"""The classes have the terms of the field; the tables keep their first names, so nothing happens to a store."""

from typing import ClassVar

from django.db import migrations


class Migration(migrations.Migration):
    dependencies: ClassVar = [("telemetry", "0001_initial")]

    operations: ClassVar = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RenameModel("Mapping", "OtlpScoreMapping"),
                migrations.AlterModelTable("OtlpScoreMapping", "telemetry_mapping"),
                migrations.RenameModel("Arrival", "OtlpIngestCount"),
                migrations.AlterModelTable("OtlpIngestCount", "telemetry_arrival"),
            ]
        )
    ]
