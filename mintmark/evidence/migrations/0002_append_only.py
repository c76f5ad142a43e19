"""The log only grows, and on PostgreSQL every row says which transaction wrote it."""

from pathlib import Path

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from mintmark.storage.append_only import make_append_only

_SQL = Path(__file__).parent.parent / "order.postgresql.sql"


def _order(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    if editor.connection.vendor == "postgresql":
        editor.execute(_SQL.read_text())


class Migration(migrations.Migration):
    dependencies = [("evidence", "0001_initial")]

    operations = [
        make_append_only("evidence_batch"),
        make_append_only("evidence_event"),
        migrations.RunPython(_order, migrations.RunPython.noop),
    ]
