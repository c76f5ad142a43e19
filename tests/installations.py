"""A whole installation for a test: a database and a home of its own, used by real processes as in production."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from django.db import connection

from tests import templates

_ROOT = Path(__file__).resolve().parent.parent
SETTINGS = "mintmark.config.settings"
_PATIENCE_SECONDS = 60.0


@dataclass
class Installation:
    """Where it lives; `run`, `start` and `served` make processes that use it."""

    home: Path
    url: str

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {
            "MINTMARK_HOME": str(self.home),
            "MINTMARK_DATABASE_URL": self.url,
            "DJANGO_SETTINGS_MODULE": SETTINGS,
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

    def start(self, *command: str, settings: str = SETTINGS) -> "subprocess.Popen[str]":
        """Start `python -m COMMAND…` and leave it running."""
        return subprocess.Popen(
            [sys.executable, "-m", *command],
            env=self.environment | {"DJANGO_SETTINGS_MODULE": settings},
            cwd=_ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    @contextmanager
    def served(self, *, workers: int, settings: str = SETTINGS) -> Iterator[int]:
        """`mintmark serve` until the block ends; yields its port on 127.0.0.1 once it answers."""
        port = free_port()
        serve = ("mintmark.cli", "serve", "--port", str(port), "--workers", str(workers))
        server = self.start(*serve, settings=settings)
        try:
            await_answer(port=port, process=server)
            yield port
        finally:
            server.terminate()
            try:
                server.wait(timeout=_PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                kill(server)
                raise


@contextmanager
def installation() -> Iterator[Installation]:
    """A migrated, empty installation on a database of its own, of the kind that this run is on."""
    with _home() as home:
        if connection.vendor == "postgresql":
            with _database() as url:
                yield Installation(home=home, url=url)
        else:
            file = home / "mintmark.sqlite3"
            templates.copy_file(file)
            yield Installation(home=home, url=f"sqlite:///{file}")


@contextmanager
def installed(*, url: str | None = None) -> Iterator[Installation]:
    """An installation on the empty database `url`, or on an SQLite file in its home, migrated by the command."""
    with _home() as home:
        made = Installation(home=home, url=url or f"sqlite:///{home / 'mintmark.sqlite3'}")
        made.run("mintmark.cli", "migrate")
        yield made


@contextmanager
def _home() -> Iterator[Path]:
    home = Path(tempfile.mkdtemp(prefix="mintmark-installation-"))
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def await_answer(*, port: int, process: "subprocess.Popen[Any]") -> None:
    """Return when the server on this port of 127.0.0.1 answers, whatever it says.

    AssertionError if it ends before, or does not answer in time.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        caller = HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            caller.request("HEAD", "/")
            caller.getresponse()
            return
        except (OSError, HTTPException):
            assert process.poll() is None, f"the server ended with {process.returncode}"
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.1)
        finally:
            caller.close()


def until(
    holds: Callable[[], bool], process: "subprocess.Popen[str]", *, every: float = 0.05
) -> None:
    """Return when it holds. AssertionError if the process ends before, or if it takes five minutes."""
    deadline = time.monotonic() + 300
    while not holds():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(every)


def kill(process: "subprocess.Popen[str]") -> None:
    """Cut a process off where it stands."""
    process.send_signal(signal.SIGKILL)
    process.wait()


@contextmanager
def _database() -> Iterator[str]:
    """A migrated database beside the one of this run, on PostgreSQL."""
    name = f"story_{os.getpid()}_{time.monotonic_ns()}"
    templates.create_database(name)
    try:
        yield templates.url(name)
    finally:
        templates.drop_database(name)
