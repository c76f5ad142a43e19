"""The installation that a command works on: its settings, its database.

Django is imported inside the functions: the commands that need none must not wait for it.
"""

import importlib.util
import os
from pathlib import Path

from mintmark.common import errors


class NotReady(errors.DomainError):
    """The installation can't do this now; the message says what to do first."""

    code = "not_ready"


def open_settings() -> None:
    """Read the settings and load the applications; touches no database."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mintmark.config.settings")
    import django
    from django.core.exceptions import ImproperlyConfigured

    try:
        django.setup()
    except ImproperlyConfigured as wrong:
        raise NotReady(f"The settings can't be used: {wrong} See docs/settings.md.") from wrong
    except OSError as failed:
        raise NotReady(
            f"MINTMARK_HOME can't be used: {failed}. Name a folder that you may write to."
        ) from failed


def open_database() -> None:
    """The same, and a database on which every migration was run.

    Raises `NotReady` where there is none, or one of another version.
    """
    open_settings()
    _require_database_file()
    pending = list_pending_migrations()
    if pending:
        raise NotReady(
            f"The database lacks {len(pending)} migrations, from {pending[0]} on: "
            "run `mintmark migrate`."
        )


def require_mcp() -> None:
    """Refuse without the extra that speaks MCP."""
    if importlib.util.find_spec("mcp") is None:
        raise NotReady("MCP takes the extra `mcp`: install mintmark[mcp] (`make setup` does).")


def list_pending_migrations() -> list[str]:
    """The migrations that are not yet run, in order, as `application.name`."""
    from django.db import OperationalError, connection
    from django.db.migrations.executor import MigrationExecutor

    try:
        _require_connection()
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except OperationalError as failed:
        raise NotReady(
            f"The database can't be reached: {' '.join(str(failed).split())} "
            "Start it, or name another one in MINTMARK_DATABASE_URL."
        ) from failed
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


def _require_database_file() -> None:
    """Refuse where the file of an SQLite database is not there, before opening it makes an empty one."""
    from django.db import connection

    if connection.vendor != "sqlite":
        return
    name = str(connection.settings_dict["NAME"])
    if name != ":memory:" and not name.startswith("file:") and not Path(name).exists():
        raise NotReady(
            f"There is no database {name}: run `mintmark migrate` to make it, or name the installation's own in "
            "MINTMARK_HOME or MINTMARK_DATABASE_URL."
        )


def _require_connection() -> None:
    """Fail at once, and once, where no server answers: the pool would try again and again."""
    from django.db import connection

    if connection.vendor == "postgresql":
        import psycopg

        settings = {k: v for k, v in connection.get_connection_params().items() if k != "pool"}
        with connection.wrap_database_errors:
            psycopg.connect(**settings | {"connect_timeout": 5}).close()


def migrate() -> None:
    """Run every pending migration, and bring scores of an older formula up to date."""
    from django.core.management import call_command
    from django.utils import timezone

    call_command("migrate", verbosity=0, interactive=False)
    from mintmark.projection import replay

    replay.upgrade_formula(now=timezone.now())
