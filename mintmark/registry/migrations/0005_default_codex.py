"""A registered codex never changes; and the one that every installation starts with, as its version has it."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from mintmark.registry import default_codex
from mintmark.storage.append_only import make_append_only


def register(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    Codex = apps.get_model("registry", "Codex")
    if not Codex.objects.filter(name=default_codex.NAME).exists():
        Codex.objects.create(
            name=default_codex.NAME,
            version=1,
            description=default_codex.DESCRIPTION,
            clauses=list(default_codex.CLAUSES),
        )


class Migration(migrations.Migration):
    dependencies = [("registry", "0004_tombstones_stay")]

    operations = [
        migrations.RunPython(register, migrations.RunPython.noop),
        make_append_only("registry_codex"),
    ]
