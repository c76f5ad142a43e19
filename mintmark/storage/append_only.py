"""A migration operation that makes a table append-only: triggers refuse UPDATE and DELETE (and TRUNCATE)."""

from collections.abc import Callable, Sequence
from pathlib import Path
from string import Template

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

_FOLDER = Path(__file__).parent
_MigrationStep = Callable[[StateApps, BaseDatabaseSchemaEditor], None]


def make_append_only(table: str, *, except_columns: Sequence[str] = ()) -> migrations.RunPython:
    """A migration operation whose triggers refuse changing or removing rows of `table`, except changes to
    `except_columns`."""
    return migrations.RunPython(*_build_trigger_functions(table, except_columns))


def _build_trigger_functions(
    table: str, except_columns: Sequence[str]
) -> tuple[_MigrationStep, _MigrationStep]:
    def create_triggers(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
        vendor = editor.connection.vendor
        with editor.connection.cursor() as cursor:
            columns = [
                column.name
                for column in editor.connection.introspection.get_table_description(cursor, table)
            ]
        protected = [column for column in columns if column not in except_columns]
        # SQLite says IS NOT where PostgreSQL says IS DISTINCT FROM.
        differs = "IS NOT" if vendor == "sqlite" else "IS DISTINCT FROM"
        changed = " OR ".join(f'NEW."{column}" {differs} OLD."{column}"' for column in protected)
        sql = Template((_FOLDER / f"append_only.{vendor}.sql").read_text())
        for statement in sql.substitute(table=table, changed=changed).split("\n\n"):
            editor.execute(statement)

    def drop_triggers(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
        on = f' ON "{table}"' if editor.connection.vendor == "postgresql" else ""
        for event in ("update", "delete", "truncate"):
            if event != "truncate" or on:
                editor.execute(f'DROP TRIGGER IF EXISTS "{table}_no_{event}"{on}')

    return create_triggers, drop_triggers


def suspend_append_only(table: str) -> migrations.RunPython:
    """A migration operation that drops those triggers: before a column is added, after which `make_append_only` makes
    them again, with the new column."""
    create, drop = _build_trigger_functions(table, ())
    return migrations.RunPython(drop, create)
