"""Who signed each bundle, as rows; and one import for a file of a team, whoever brings it at the same moment."""

import json

import django.db.models.deletion
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from mintmark.storage.append_only import make_append_only


def note(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    """Note the signers of the bundles that are kept already."""
    vaults = apps.get_model("vault", "PromptMarketplaceVault").objects.order_by("pk")
    signatures = apps.get_model("vault", "BundleSignature")
    for vault in vaults.defer("exported_json").iterator(chunk_size=20):
        signed = {one["keyid"] for one in json.loads(vault.symbolic_signature)["signatures"]}
        signatures.objects.bulk_create(
            signatures(vault=vault, key_id=key_id) for key_id in sorted(signed)
        )


class Migration(migrations.Migration):
    dependencies = [("vault", "0002_append_only")]

    operations = [
        migrations.CreateModel(
            name="BundleSignature",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key_id", models.CharField(max_length=64)),
                (
                    "vault",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="signatures",
                        to="vault.promptmarketplacevault",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("key_id", "vault"), name="bundle_signature_once"
                    ),
                ],
            },
        ),
        migrations.RunPython(note, migrations.RunPython.noop),
        make_append_only("vault_bundlesignature"),
        migrations.AddConstraint(
            model_name="bundleimport",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "refused"), _negated=True),
                fields=("team", "digest"),
                name="import_once_for_a_team",
            ),
        ),
    ]
