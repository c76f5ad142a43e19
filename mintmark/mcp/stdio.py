"""MCP over standard input and output, for the one assistant whose key is in `MINTMARK_MCP_KEY`."""

import anyio
import environ
from django.utils import timezone
from mcp.server.stdio import stdio_server

from . import credentials, server
from .credentials import AssistantNotAuthenticated, KeyHolder
from .server import Context

KEY_VARIABLE = "MINTMARK_MCP_KEY"


def serve() -> None:
    """Serve until standard input ends. `NotAuthenticated` or `Forbidden` at once where the key can't be used."""
    secret: str = environ.FileAwareEnv().str(KEY_VARIABLE, default="").strip()
    if not secret:
        raise AssistantNotAuthenticated(
            f"No key: put an assistant's key into {KEY_VARIABLE}, or its file's name into {KEY_VARIABLE}_FILE."
        )
    credentials.authenticate(secret=secret, now=timezone.now())
    anyio.run(_serve, secret)


async def _serve(secret: str) -> None:
    def get_holder(_: Context) -> KeyHolder:
        return credentials.authenticate(secret=secret, now=timezone.now())

    mcp_server = server.build_server(get_holder=get_holder)
    async with stdio_server() as (read, write):
        await mcp_server.run(read, write, mcp_server.create_initialization_options())
