"""What prompts from elsewhere owe holders there; on PostgreSQL a purchase holds it against the lineage too."""

from pathlib import Path

import django.db.models.deletion
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from mintmark.storage.append_only import make_append_only

_SQL = Path(__file__).parent.parent / "buy.postgresql.sql"


def _function(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    if editor.connection.vendor == "postgresql":
        editor.execute(_SQL.read_text(), params=None)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_foreign_principals"),
        ("market", "0002_terms_stay"),
        ("registry", "0004_tombstones_stay"),
    ]

    operations = [
        migrations.CreateModel(
            name="ForeignHolder",
            fields=[
                (
                    "principal",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="foreign_holder",
                        serialize=False,
                        to="accounts.principal",
                    ),
                ),
                ("installation", models.CharField(max_length=32)),
                ("holder", models.CharField(max_length=200)),
                (
                    "issuer_name",
                    models.CharField(
                        help_text="what the installation called itself", max_length=200
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("installation", "holder"), name="foreign_holder_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ForeignRoyalty",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("generation", models.PositiveIntegerField()),
                ("ancestor", models.CharField(max_length=300)),
                ("rate_bp", models.PositiveIntegerField()),
                ("agreed_at", models.DateTimeField()),
                (
                    "holder",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="foreign_royalties",
                        to="accounts.principal",
                    ),
                ),
                (
                    "prompt",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="foreign_royalties",
                        to="registry.prompt",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "foreign royalties",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("prompt", "generation"), name="foreign_royalty_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("rate_bp__gte", 1), ("rate_bp__lte", 5000)),
                        name="foreign_royalty_rate",
                    ),
                ],
            },
        ),
        make_append_only("market_foreignholder"),
        make_append_only("market_foreignroyalty"),
        migrations.RunPython(_function, migrations.RunPython.noop),
    ]
