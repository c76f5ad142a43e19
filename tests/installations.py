"""A whole installation for a test: a database and a home of its own, used by real processes as in production."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from django.db import connection

_ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Installation:
    """Where it lives; `run` and `start` make processes that use it."""

    home: Path
    url: str

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {
            "MINTMARK_HOME": str(self.home),
            "MINTMARK_DATABASE_URL": self.url,
            "DJANGO_SETTINGS_MODULE": "mintmark.config.settings",
            "PYTHONPATH": str(_ROOT),
        }

    def run(self, *command: str) -> str:
        """Run `python -m COMMAND…` to its end and return what it printed; a failure shows what it said."""
        done = subprocess.run(
            [sys.executable, "-m", *command],
            env=self.environment,
            cwd=_ROOT,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, (
            f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        )
        return done.stdout

    def start(self, *command: str) -> "subprocess.Popen[str]":
        """Start `python -m COMMAND…` and leave it running."""
        return subprocess.Popen(
            [sys.executable, "-m", *command],
            env=self.environment,
            cwd=_ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


@contextmanager
def installation() -> Iterator[Installation]:
    """A migrated, empty installation on the database of this run (SQLite: a file of its own)."""
    home = Path(tempfile.mkdtemp(prefix="mintmark-installation-"))
    name = f"story_{os.getpid()}_{home.name[-8:].lower()}"
    if connection.vendor == "postgresql":
        url = urlunsplit(urlsplit(os.environ["MINTMARK_DATABASE_URL"])._replace(path=f"/{name}"))
        _administer(f'CREATE DATABASE "{name}"')
    else:
        url = f"sqlite:///{home / 'mintmark.sqlite3'}"
    made = Installation(home=home, url=url)
    try:
        made.run("mintmark.cli", "migrate")
        yield made
    finally:
        if connection.vendor == "postgresql":
            _administer(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        shutil.rmtree(home, ignore_errors=True)


def kill(process: "subprocess.Popen[str]") -> None:
    """Cut a process off where it stands."""
    process.send_signal(signal.SIGKILL)
    process.wait()


def _administer(statement: str) -> None:
    import psycopg

    with psycopg.connect(os.environ["MINTMARK_DATABASE_URL"], autocommit=True) as admin:
        admin.execute(statement.encode())
