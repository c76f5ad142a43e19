"""`mintmark serve`."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from . import installation, output

HOST = "127.0.0.1"
PORT = 8321
_RESTART_SECONDS = 2.0
_PATIENCE_SECONDS = 30.0


@click.command()
@click.option("--host", default=HOST, show_default=True, help="The address to listen on.")
@click.option("--port", default=PORT, show_default=True, type=click.IntRange(1, 65535))
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    help="Server processes. [default: one a core, at most 4]",
)
def serve(*, host: str, port: int, workers: int | None) -> None:
    """Serve the pages and the API until Ctrl-C or SIGTERM.

    Beside the server it runs a `mintmark worker`, which folds evidence on PostgreSQL, and on both
    databases settles warranties and scores listings.
    """
    installation.open_database()
    require_free(host=host, port=port)
    if collect_static():
        output.say("Static files collected.")
    run(host=host, port=port, workers=workers, greeting=())


def require_free(*, host: str, port: int) -> None:
    """Refuse (`NotReady`) if nothing can listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as failed:
            raise installation.NotReady(
                f"Nothing can listen on {host}:{port} ({failed.strerror}): "
                "end what does, or choose another --port or --host."
            ) from failed


def address(*, host: str, port: int) -> str:
    """Where a browser on this machine finds the server."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}/"


def run(*, host: str, port: int, workers: int | None, greeting: Sequence[str]) -> None:
    """Serve until a signal ends it; `greeting` is printed once it answers, after the address."""
    from django.db import connection
    from granian import Granian
    from granian.constants import Interfaces

    count = workers or min(4, os.cpu_count() or 1)
    # Their connections must not be shared with the processes that are about to start.
    connection.close()
    if connection.vendor == "postgresql":
        # Closing only gives the connection back; two processes on one would read each other's answers.
        connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's alone has one
    server: Any = Granian(
        "mintmark.config.wsgi:application",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=count,
        blocking_threads=4,
        workers_kill_timeout=10,
        respawn_failed_workers=True,
        log_enabled=False,
    )
    worker = _Worker()

    @server.on_startup  # type: ignore[untyped-decorator]
    def start() -> None:
        worker.start()
        threading.Thread(
            target=_greet, args=(address(host=host, port=port), greeting), daemon=True
        ).start()

    try:
        server.serve()
    finally:
        worker.stop()
        output.say("Stopped.")


def _greet(url: str, greeting: Sequence[str]) -> None:
    """Say where the server is once it answers: a link that leads nowhere yet helps nobody."""
    where = urlsplit(url)
    while True:
        connection = HTTPConnection(where.hostname or "", where.port, timeout=_PATIENCE_SECONDS)
        try:
            connection.request("HEAD", "/")
            connection.getresponse()
            break
        except (OSError, HTTPException):
            time.sleep(0.1)
        finally:
            connection.close()
    for line in (f"Serving on {url} (Ctrl-C ends it)", *greeting):
        output.say(line)


def collect_static() -> bool:
    """Bring STATIC_ROOT up to date if a static file is newer; whether there was anything to do."""
    from django.conf import settings
    from django.contrib.staticfiles.finders import get_finders
    from django.core.management import call_command

    root = Path(settings.STATIC_ROOT)
    state = "\n".join(
        f"{path} {storage.get_modified_time(path).timestamp()}"
        for finder in get_finders()
        for path, storage in sorted(finder.list([]), key=lambda found: found[0])
    )
    stamp = root.parent / "static.stamp"
    if root.is_dir() and stamp.is_file() and stamp.read_text() == state:
        return False
    call_command("collectstatic", verbosity=0, interactive=False, clear=root.is_dir())
    stamp.write_text(state)
    return True


class _Worker:
    """A `mintmark worker` beside the server, started again if it dies."""

    def __init__(self) -> None:
        self._ending = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep_alive, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the worker between two slices; a second call does nothing."""
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
                [sys.executable, "-m", "mintmark.cli", "worker", "--with-parent"],
                stdin=subprocess.DEVNULL,
                # Out of the terminal's group: on Ctrl-C the server ends it, after the last request.
                start_new_session=True,
            )
            code = self._process.wait()
            if not self._ending.is_set():
                click.echo(f"! The worker ended with {code}; starting it again.", err=True)
                self._ending.wait(_RESTART_SECONDS)
