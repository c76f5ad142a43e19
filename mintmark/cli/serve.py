"""`mintmark serve`."""

import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from . import bootstrap, output, supervisor

HOST = "127.0.0.1"
PORT = 8321
MCP_PORT = 8322
# Where the processes of the server count what they answer, for `/metrics` to sum.
_METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


@click.command()
@click.option("--host", default=HOST, show_default=True, help="The address to listen on.")
@click.option("--port", default=PORT, show_default=True, type=click.IntRange(1, 65535))
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    help="Server processes. [default: one a core, at most 4]",
)
@click.option("--mcp", is_flag=True, help="Serve assistants over MCP as well.")
@click.option("--mcp-port", default=MCP_PORT, show_default=True, type=click.IntRange(1, 65535))
def serve(*, host: str, port: int, workers: int | None, mcp: bool, mcp_port: int) -> None:
    """Serve the pages and the API until Ctrl-C or SIGTERM.

    Beside the server it runs a `mintmark worker`, which turns evidence into scores on PostgreSQL, and on both
    databases settles warranties and scores listings; with --mcp also a `mintmark mcp --http`.
    """
    if mcp:
        bootstrap.require_mcp()
    bootstrap.open_database()
    require_free(host=host, port=port)
    if mcp:
        require_free(host=host, port=mcp_port)
    if collect_static():
        output.print_message("Static files collected.")
    run_server(
        host=host, port=port, workers=workers, greeting=(), mcp_port=mcp_port if mcp else None
    )


def require_free(*, host: str, port: int) -> None:
    """Refuse (`NotReady`) if nothing can listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as failed:
            raise bootstrap.NotReady(
                f"Nothing can listen on {host}:{port} ({failed.strerror}): "
                "end what does, or choose another --port or --host."
            ) from failed


def build_address(*, host: str, port: int) -> str:
    """Where a browser on this machine finds the server."""
    shown_host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(
        host, f"[{host}]" if ":" in host else host
    )
    return f"http://{shown_host}:{port}/"


def run_server(
    *,
    host: str,
    port: int,
    workers: int | None,
    greeting: Sequence[str],
    mcp_port: int | None = None,
) -> None:
    """Serve until a signal ends it; `greeting` is printed once it answers, after the address. MCP is served beside it
    where it has a port."""
    from granian import Granian
    from granian.constants import Interfaces

    supervisor.close_connections()
    server: Any = Granian(
        "mintmark.config.wsgi:application",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers or min(4, os.cpu_count() or 1),
        blocking_threads=4,
        workers_kill_timeout=10,
        respawn_failed_workers=True,
        log_enabled=False,
    )
    children = [supervisor.SupervisedProcess("worker")]
    if mcp_port is not None:
        children.append(
            supervisor.SupervisedProcess("mcp", "--http", "--host", host, "--port", str(mcp_port))
        )
    url = build_address(host=host, port=port)
    metrics_folder = tempfile.mkdtemp(prefix="mintmark-metrics-")
    os.environ[_METRICS_FOLDER] = metrics_folder

    @server.on_startup  # type: ignore[untyped-decorator]
    def start() -> None:
        for child in children:
            child.start()
        messages = (f"Serving on {url} (Ctrl-C ends it)", *greeting)
        threading.Thread(
            target=supervisor.announce_when_ready, args=(url, messages), daemon=True
        ).start()

    try:
        server.serve()
    finally:
        for child in children:
            child.stop()
        shutil.rmtree(metrics_folder, ignore_errors=True)
        output.print_message("Stopped.")


def collect_static() -> bool:
    """Bring STATIC_ROOT up to date if a static file is newer; whether there was anything to do."""
    from django.conf import settings
    from django.contrib.staticfiles.finders import get_finders
    from django.core.management import call_command

    root = Path(settings.STATIC_ROOT)
    state = "\n".join(
        f"{path} {storage.get_modified_time(path).timestamp()}"
        for finder in get_finders()
        for path, storage in sorted(finder.list([]), key=lambda entry: entry[0])
    )
    stamp = root.parent / "static.stamp"
    if root.is_dir() and stamp.is_file() and stamp.read_text() == state:
        return False
    call_command("collectstatic", verbosity=0, interactive=False, clear=root.is_dir())
    stamp.write_text(state)
    return True
