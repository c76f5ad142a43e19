"""The book only grows; on PostgreSQL it is written by one function."""

from pathlib import Path

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from mintmark.storage.append_only import make_append_only

_SQL = Path(__file__).parent.parent / "book.postgresql.sql"


def _function(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    if editor.connection.vendor == "postgresql":
        editor.execute(_SQL.read_text(), params=None)


class Migration(migrations.Migration):
    dependencies = [("tokens", "0001_initial")]

    operations = [
        make_append_only("tokens_transfer"),
        make_append_only("tokens_entry"),
        make_append_only("tokens_account", except_columns=["balance_micro"]),
        migrations.RunPython(_function, migrations.RunPython.noop),
    ]
