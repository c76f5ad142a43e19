"""A house to measure: a throw-away database and home, processes that work on it, and its server."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from tests import postgres

ROOT = Path(__file__).resolve().parents[2]
OWN_SETTINGS = "mintmark.config.settings"
# Evidence is recorded and not folded, and beside the API hang the views it is compared with.
BENCH_SETTINGS = "benchmarks.service.settings"
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """Ids of what lives in a house, and the secret of a key with which evidence may be recorded and scores read."""

    prompts: list[int]
    assistants: list[int]
    rituals: list[int]
    operator: int
    raters: list[int]
    secret: str


@dataclass(frozen=True, kw_only=True)
class House:
    """An installation: its home, its database, and what its processes find in their environment."""

    home: Path
    url: str

    @property
    def environment(self) -> dict[str, str]:
        ours = {name: value for name, value in os.environ.items() if name[:9] != "MINTMARK_"}
        return ours | {
            "MINTMARK_HOME": str(self.home),
            "MINTMARK_DATABASE_URL": self.url,
            "DJANGO_SETTINGS_MODULE": OWN_SETTINGS,
            "PYTHONPATH": str(ROOT),
        }

    def call(self, work: str, **arguments: Any) -> Any:
        """Return what the function `work` ("module:function") returns in a process of its own, in
        which Django is set up for this house."""
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(max_workers=1, mp_context=spawn) as pool:
            return pool.submit(_work, self.environment, work, arguments).result()

    @contextmanager
    def served(self, *, settings: str = OWN_SETTINGS) -> Iterator[int]:
        """`mintmark serve` with two processes, until the block ends; yields its port on 127.0.0.1.

        With its own settings it runs a worker that folds (on PostgreSQL), as it does for everybody.
        """
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "mintmark.cli", "serve"),
                *("--port", str(port), "--workers", "2"),
            ],
            env=self.environment | {"DJANGO_SETTINGS_MODULE": settings},
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            await_answer(port=port, process=process)
            yield port
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def on_postgresql() -> Iterator[House]:
    """A migrated, empty house on a PostgreSQL of its own (no fsync, see `tests.postgres`)."""
    with postgres.server() as server, _home() as home:
        house = House(home=home, url=server.url)
        _migrate(house)
        yield house


@contextmanager
def on_sqlite() -> Iterator[House]:
    """A migrated, empty house on an SQLite file."""
    with _home() as home:
        house = House(home=home, url=f"sqlite:///{home / 'mintmark.sqlite3'}")
        _migrate(house)
        yield house


@contextmanager
def _home() -> Iterator[Path]:
    home = Path(tempfile.mkdtemp(prefix="mintmark-bench-"))
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _migrate(house: House) -> None:
    subprocess.run(
        [sys.executable, "-m", "mintmark.cli", "migrate"],
        env=house.environment,
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
    )


def _work(environment: Mapping[str, str], work: str, arguments: Mapping[str, Any]) -> Any:
    os.environ.update(environment)
    import django

    django.setup()
    module, _, function = work.partition(":")
    return getattr(importlib.import_module(module), function)(**arguments)


def await_answer(*, port: int, process: subprocess.Popen[bytes]) -> None:
    """Return when the server on this port of 127.0.0.1 answers, whatever it says; OSError if it ends before."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("HEAD", "/")
            connection.getresponse()
            return
        except (OSError, HTTPException):
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        finally:
            connection.close()
