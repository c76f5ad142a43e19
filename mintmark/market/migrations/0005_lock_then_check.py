"""On PostgreSQL a purchase locks what it checks before it looks."""

from pathlib import Path

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

_SQL = Path(__file__).parent.parent / "buy.postgresql.sql"


def _function(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    if editor.connection.vendor == "postgresql":
        editor.execute(_SQL.read_text(), params=None)


class Migration(migrations.Migration):
    dependencies = [("market", "0004_fall")]

    operations = [migrations.RunPython(_function, migrations.RunPython.noop)]
