"""MCP over standard input and output, for the one assistant whose key is in `MINTMARK_MCP_KEY`."""

import anyio
import environ
from django.utils import timezone
from mcp.server.stdio import stdio_server

from . import credentials, server
from .credentials import Holder, NotAuthenticated
from .server import Context

KEY = "MINTMARK_MCP_KEY"


def serve() -> None:
    """Serve until standard input ends. `NotAuthenticated` or `Forbidden` at once where the key can't be used."""
    secret: str = environ.FileAwareEnv().str(KEY, default="").strip()
    if not secret:
        raise NotAuthenticated(
            f"No key: put an assistant's key into {KEY}, or its file's name into {KEY}_FILE."
        )
    credentials.holder(secret=secret, now=timezone.now())
    anyio.run(_serve, secret)


async def _serve(secret: str) -> None:
    def whose(_: Context) -> Holder:
        return credentials.holder(secret=secret, now=timezone.now())

    served = server.made(whose=whose)
    async with stdio_server() as (read, write):
        await served.run(read, write, served.create_initialization_options())
