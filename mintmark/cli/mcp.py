"""`mintmark mcp`."""

import importlib
import os
import signal
import threading
from typing import Any

import click

from . import bootstrap, output, supervisor
from .serve import HOST, MCP_PORT, build_address, require_free


@click.command()
@click.option("--http", is_flag=True, help="Serve HTTP instead of standard input and output.")
@click.option("--host", default=HOST, show_default=True, help="The address to listen on.")
@click.option("--port", default=MCP_PORT, show_default=True, type=click.IntRange(1, 65535))
@click.option(
    "--with-parent", is_flag=True, hidden=True, help="End when the process that started this does."
)
def mcp(*, http: bool, host: str, port: int, with_parent: bool) -> None:
    """Serve assistants over MCP, on standard input and output or over HTTP.

    On standard input it serves the one assistant whose key is in MINTMARK_MCP_KEY, until the input
    ends. Over HTTP every assistant comes with its own key, to http://HOST:PORT/mcp.
    """
    bootstrap.require_mcp()
    bootstrap.open_database()
    if http:
        require_free(host=host, port=port)
        _serve_http(host=host, port=port, with_parent=with_parent)
    else:
        # Doors do not import each other: as the server's, its place is named.
        importlib.import_module("mintmark.mcp.stdio").serve()


def _serve_http(*, host: str, port: int, with_parent: bool) -> None:
    """Serve over HTTP until a signal ends it; in one process, whose memory holds the sessions of older clients."""
    from granian import Granian
    from granian.constants import Interfaces

    supervisor.close_connections()
    server: Any = Granian(
        "mintmark.config.asgi:application",
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        workers=1,
        workers_kill_timeout=10,
        respawn_failed_workers=True,
        log_enabled=False,
    )
    url = build_address(host=host, port=port)
    messages = (f"Serving MCP on {url}mcp (Ctrl-C ends it)",)
    if with_parent:
        parent = os.getppid()
        supervisor.call_on_parent_exit(
            parent=parent, then=lambda: os.kill(os.getpid(), signal.SIGTERM)
        )

    @server.on_startup  # type: ignore[untyped-decorator]
    def start() -> None:
        threading.Thread(
            target=supervisor.announce_when_ready, args=(url, messages), daemon=True
        ).start()

    server.serve()
    output.print_message("MCP stopped.")
