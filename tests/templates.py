"""A database as `mintmark migrate` makes it, made once in a run: every database of a test is a copy of it.

Running all migrations takes ten seconds, copying what came of them far less than one. The workers of a run share the
template: the first that needs it makes it, by the command itself, and the others wait for it.
"""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

# Made by tests.environment for this run, and told to every process of it.
FOLDER = Path(os.environ["TESTS_TEMPLATES"])
_ROOT = Path(__file__).resolve().parent.parent
# The name of the file, and the beginning of a name on PostgreSQL.
_FILE, _NAME = "template.sqlite3", "mintmark_template_"


def copy_file(to: Path) -> None:
    """Make `to` a migrated, empty SQLite database."""
    template = FOLDER / _FILE
    with _one_at_a_time():
        if not template.exists():
            made = template.with_suffix(".making")
            made.unlink(missing_ok=True)
            _migrate(f"sqlite:///{made}")
            _close_log(made)
            made.rename(template)
    shutil.copyfile(template, to)


def create_database(name: str) -> None:
    """Create a migrated, empty database on the PostgreSQL of this run, which `MINTMARK_DATABASE_URL` names."""
    template = _NAME + FOLDER.name.replace("-", "_")
    with _one_at_a_time():
        mark = FOLDER / "postgresql"
        if not mark.exists():
            administer(f'DROP DATABASE IF EXISTS "{template}"')
            administer(f'CREATE DATABASE "{template}"')
            _migrate(url(template))
            mark.touch()
        # Held until it is copied: nobody else may be at a template meanwhile.
        administer(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')


def drop_database(name: str) -> None:
    """Drop it, whoever is still connected."""
    administer(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def remove() -> None:
    """Leave no template on a PostgreSQL; called once, when the run ends."""
    mark = FOLDER / "postgresql"
    if mark.exists():
        drop_database(_NAME + FOLDER.name.replace("-", "_"))
        mark.unlink()


def url(name: str) -> str:
    """How `MINTMARK_DATABASE_URL` names another database of the PostgreSQL of this run."""
    there = urlsplit(os.environ["MINTMARK_DATABASE_URL"])
    return urlunsplit(there._replace(path=f"/{name}"))


def administer(statement: str) -> None:
    """Execute a statement that no transaction may hold."""
    import psycopg

    with psycopg.connect(os.environ["MINTMARK_DATABASE_URL"], autocommit=True) as admin:
        admin.execute(statement.encode())


def _migrate(database: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "mintmark.cli", "migrate"],
        env=os.environ | {"MINTMARK_DATABASE_URL": database},
        cwd=_ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
    )


def _close_log(file: Path) -> None:
    """What stands in the log beside the file goes into the file, which is copied alone."""
    import sqlite3

    with sqlite3.connect(file) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
