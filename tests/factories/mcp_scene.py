"""The stall with real assistants at it: a prompt at work in the buyers' scout, what it may spend, and keys for MCP."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import mcp_types
from django.db import connection
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

from mintmark.accounts import keys
from mintmark.accounts.models import Key
from mintmark.common import amounts
from mintmark.registry.models import Assistant, Entitlement, Prompt
from mintmark.tokens import wallets
from tests.factories.market_fixture import Stall

TRIAGE = "Sort {ticket} by urgency for ${team:everybody}.\nAnswer:"
SCOPES = ("read", "market", "evidence")


class Scene(Stall):
    """`triage` is at work in the scout, as `acme/sorting`; `offered` costs 2 tokens and `dear` 50; the scout holds 60
    and may spend 10 on a purchase."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.cast.now = datetime.now(UTC)
        self.scout = self.cast.scout
        self.triage = self.cast.written("acme/sorting", TRIAGE)
        self.offered = self.listed(cost="2", preview="Weighs coins.")
        dear = self.cast.written("acme/assay", "Assay {coin}.", is_open=False)
        self.dear = self.listed(dear, cost="50")
        buyer = self.as_(self.cast.buyer)
        self.market.inject(caller=buyer, prompt=self.triage, assistant=self.scout, now=self.now)
        self.market.set_mandate(
            caller=buyer, assistant=self.scout, per_purchase_micro=amounts.to_micro("10"),
            per_day_micro=amounts.to_micro("20"), trust_floor=0.0, now=self.now,
        )  # fmt: skip
        wallets.give(
            caller=buyer, recipient=self.scout.principal, amount_micro=amounts.to_micro("60"), memo="pocket money",
            idempotency_key=next(self.keys), now=self.now,
        )  # fmt: skip

    def key(self, assistant: Assistant, *scopes: str) -> str:
        """A new key of an assistant."""
        return keys.issue(principal=assistant.principal, scopes=scopes or SCOPES).secret

    def end_key(self, secret: str) -> None:
        keys.revoke(key=Key.objects.get(prefix=secret[:11]), now=datetime.now(UTC))

    def revoke(self, prompt: Prompt) -> None:
        """Take a prompt away from the buyers."""
        held = Entitlement.objects.get(prompt=prompt, team=self.cast.buyers, ended_at=None)
        self.market.revoke_entitlement(
            caller=self.as_(self.admin), entitlement=held, reason="stolen", now=datetime.now(UTC)
        )


def environment() -> dict[str, str]:
    """What a process needs to work on the database of this test."""
    name = str(connection.settings_dict["NAME"])
    url = f"sqlite:///{name}"
    if connection.vendor == "postgresql":
        there = urlsplit(os.environ["MINTMARK_DATABASE_URL"])
        url = urlunsplit(there._replace(path=f"/{name}"))
    return dict(os.environ) | {"MINTMARK_DATABASE_URL": url}


@asynccontextmanager
async def over_stdio(key: str, **options: Any) -> AsyncIterator[Client]:
    """The SDK's client, with a `mintmark mcp` of its own."""
    process = StdioServerParameters(
        command=sys.executable,
        args=["-m", "mintmark.cli", "mcp"],
        env=environment() | {"MINTMARK_MCP_KEY": key},
    )
    async with Client(process, **options) as client:
        yield client


@asynccontextmanager
async def over_http(key: str, *, url: str, **options: Any) -> AsyncIterator[Client]:
    """The SDK's client, at the `mintmark mcp --http` of the run."""
    async with (
        create_mcp_http_client(headers={"Authorization": f"Bearer {key}"}) as http,
        Client(streamable_http_client(url, http_client=http), **options) as client,
    ):
        yield client


def text(got: mcp_types.GetPromptResult) -> str:
    """The text of a prompt's one message."""
    (message,) = got.messages
    assert isinstance(message.content, mcp_types.TextContent)
    return message.content.text


def said(result: mcp_types.CallToolResult) -> str:
    """The text of a tool's result."""
    (content,) = result.content
    assert isinstance(content, mcp_types.TextContent)
    return content.text
