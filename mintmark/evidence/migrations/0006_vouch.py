"""Whose reports an administrator vouches for."""

from typing import ClassVar

import django.db.models.deletion
from django.db import migrations, models

_PROTECT = django.db.models.deletion.PROTECT


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("accounts", "0002_foreign_principals"),
        ("evidence", "0005_provenance"),
    ]

    operations: ClassVar = [
        migrations.CreateModel(
            name="Vouch",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("reason", models.CharField(max_length=400)),
                ("given_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "reporter",
                    models.ForeignKey(
                        on_delete=_PROTECT, related_name="vouches", to="accounts.principal"
                    ),
                ),
                (
                    "given_by",
                    models.ForeignKey(
                        on_delete=_PROTECT, related_name="+", to="accounts.principal"
                    ),
                ),
                (
                    "ended_by",
                    models.ForeignKey(
                        on_delete=_PROTECT, null=True, related_name="+", to="accounts.principal"
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "vouches",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(ended_at__isnull=True),
                        fields=("reporter",),
                        name="vouch_once",
                    )
                ],
            },
        ),
    ]
