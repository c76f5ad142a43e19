"""Processes beside each other: one starts another, keeps it alive, says when it answers, and ends it in order."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

import click

from . import output

_RESTART_SECONDS = 2.0
_PATIENCE_SECONDS = 30.0


class SupervisedProcess:
    """A `mintmark COMMAND` beside the server, started again if it dies. The command takes `--with-parent`."""

    def __init__(self, *command: str) -> None:
        self._command = command
        self._ending = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep_alive, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End it in order; a second call does nothing."""
        self._ending.set()
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()

    def _keep_alive(self) -> None:
        while not self._ending.is_set():
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mintmark.cli", *self._command, "--with-parent"],
                stdin=subprocess.DEVNULL,
                # Out of the terminal's group: on Ctrl-C the server ends it, after the last request.
                start_new_session=True,
            )
            code = self._process.wait()
            if not self._ending.is_set():
                click.echo(
                    f"! mintmark {self._command[0]} ended with {code}; starting it again.", err=True
                )
                self._ending.wait(_RESTART_SECONDS)


def close_connections() -> None:
    """Let go of the database: connections must not be shared with processes that are about to start."""
    from django.db import connection

    connection.close()
    if connection.vendor == "postgresql":
        # Closing only gives the connection back; two processes on one would read each other's answers.
        connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's alone has one


def announce_when_ready(url: str, messages: Sequence[str]) -> None:
    """Print these lines once a server answers there, so that the link works when it is read."""
    parts = urlsplit(url)
    while True:
        connection = HTTPConnection(parts.hostname or "", parts.port, timeout=_PATIENCE_SECONDS)
        try:
            connection.request("HEAD", "/")
            connection.getresponse()
            break
        except (OSError, HTTPException):
            time.sleep(0.1)
        finally:
            connection.close()
    for message in messages:
        output.print_message(message)


def call_on_parent_exit(*, parent: int, then: Callable[[], None]) -> None:
    """Call `then` when the parent is gone, however it went."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        then()

    threading.Thread(target=watch, daemon=True).start()
