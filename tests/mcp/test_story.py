"""The whole story of an assistant over MCP, told by the SDK's own client: both transports, both revisions."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial

import anyio
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError

from mintmark.mcp import sync_bridge
from tests.factories.mcp_scene import Scene, over_http, over_stdio, said, text

pytestmark = pytest.mark.both("smoke set: an assistant over MCP")

type Connect = Callable[[str], AbstractAsyncContextManager[Client]]

REVISIONS = {"auto": "2026-07-28", "legacy": "2025-11-25"}


@pytest.fixture(params=["stdio", "http"])
def connect(request: pytest.FixtureRequest) -> Connect:
    if request.param == "stdio":
        return over_stdio
    return partial(over_http, url=request.getfixturevalue("url"))


@pytest.mark.parametrize("mode", REVISIONS)
def test_an_assistant_lives_over_mcp(scene: Scene, connect: Connect, mode: str) -> None:
    key = scene.key(scene.scout)
    anyio.run(_story, scene, key, partial(connect, mode=mode), REVISIONS[mode])


async def _story(scene: Scene, key: str, connect: Connect, revision: str) -> None:
    async with connect(key) as client:
        assert client.protocol_version == revision
        (listed,) = (await client.list_prompts()).prompts
        assert listed.name == "acme/sorting"
        assert [(a.name, a.required) for a in listed.arguments or []] == [
            ("ticket", True),
            ("team", False),
        ]
        got = await client.get_prompt("acme/sorting", {"ticket": "T-1"})
        assert text(got) == "Sort T-1 by urgency for everybody.\nAnswer:"

        outcome = {
            "prompt": "acme/sorting", "ritual": "triage-cases", "score": 0.75, "runs": 4, "key": "first",
            "wait_seconds": 30,
        }  # fmt: skip
        told = await client.call_tool("report_outcome", outcome)
        assert told.structured_content["is_new"]
        assert told.structured_content["projected"]
        again = await client.call_tool("report_outcome", outcome)
        assert not again.structured_content["is_new"]
        why = (
            await client.call_tool("explain_trust", {"prompt": "acme/sorting"})
        ).structured_content
        assert why["trust"]["runs"] > 0
        assert why["at_work"]

        found = (await client.call_tool("search_market", {"query": "acme"})).structured_content
        prices = {one["listing"]: one["price"] for one in found["items"]}
        assert prices == {scene.offered.pk: "2", scene.dear.pk: "50"}
        refused = await client.call_tool("get_prompt", {"prompt": "acme/mint"})
        assert refused.is_error
        assert "The secret of the mint" not in said(refused)
        bought = await client.call_tool(
            "buy_prompt", {"listing": scene.offered.pk, "price": "2", "key": "b-1"}
        )
        assert bought.structured_content["status"] == "bought"
        asked = await client.call_tool(
            "buy_prompt", {"listing": scene.dear.pk, "price": "50", "key": "b-2"}
        )
        assert asked.structured_content["status"] == "waiting"
        assert "10" in asked.structured_content["why"]
        assert await sync_bridge.run(scene.balance, scene.scout) == "58"

        put = await client.call_tool("inject_prompt", {"prompt": "acme/mint", "slot": "coins"})
        assert put.structured_content["name"] == "acme/mint"
        assert {p.name for p in (await client.list_prompts()).prompts} == {
            "acme/mint",
            "acme/sorting",
        }
        got = await client.get_prompt("acme/mint", {"coin": "a florin"})
        assert text(got) == "The secret of the mint: weigh a florin twice."
        assert not (
            await client.call_tool(
                "rate_prompt", {"prompt": "acme/sorting", "stars": 5, "key": "r-1"}
            )
        ).is_error

        await sync_bridge.run(scene.revoke, scene.prompt)
        assert {p.name for p in (await client.list_prompts()).prompts} == {"acme/sorting"}
        with pytest.raises(MCPError) as gone:
            await client.get_prompt("acme/mint", {"coin": "a florin"})
        assert gone.value.code == -32602
        refused = await client.call_tool("get_prompt", {"prompt": "acme/mint"})
        assert refused.is_error

        await sync_bridge.run(scene.end_key, key)
        with pytest.raises(MCPError):
            await client.list_prompts()


def test_another_assistants_key_sees_nothing_of_it(scene: Scene, url: str) -> None:
    key = scene.key(scene.cast.assistant("other", team=scene.cast.buyers))

    async def look() -> None:
        async with over_http(key, url=url) as client:
            assert (await client.list_prompts()).prompts == []
            with pytest.raises(MCPError) as refused:
                await client.get_prompt("acme/sorting", {"ticket": "T-1"})
            assert refused.value.code == -32602

    anyio.run(look)
