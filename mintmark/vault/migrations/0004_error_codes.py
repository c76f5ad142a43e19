"""The codes of refused imports under their present names."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

RENAMED = {
    "duplicate_key": "duplicate_json_key",
    "key_expired": "signing_key_expired",
    "key_revoked": "signing_key_revoked",
    "withdrawn": "prompt_withdrawn",
}


def rename_codes(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    """Rename the codes that were stored with refused files."""
    imports = apps.get_model("vault", "BundleImport").objects
    for old, new in RENAMED.items():
        imports.filter(code=old).update(code=new)


class Migration(migrations.Migration):
    dependencies = [("vault", "0003_signatures")]

    operations = [migrations.RunPython(rename_codes, migrations.RunPython.noop)]
