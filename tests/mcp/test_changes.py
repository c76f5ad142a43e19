"""Changes are pushed: to streams of the current revision, to sessions and pipes of the one before."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

import anyio
import mcp_types
import pytest
from mcp import Client

from mintmark.mcp import sync_bridge
from tests.factories.mcp_scene import Scene, over_http, over_stdio

type Connect = Callable[..., AbstractAsyncContextManager[Client]]
PATIENCE_SECONDS = 60


@pytest.fixture(params=["stdio", "http"])
def connect(request: pytest.FixtureRequest) -> Connect:
    if request.param == "stdio":
        return over_stdio
    return partial(over_http, url=request.getfixturevalue("url"))


def _withdraw(scene: Scene) -> None:
    (at_work,) = scene.market.list_active_prompts(
        caller=scene.as_(scene.scout), assistant=scene.scout
    )
    scene.market.withdraw_injection(
        caller=scene.as_(scene.cast.buyer),
        injection=at_work.injection,
        reason="done",
        now=scene.now,
    )


def _inject(scene: Scene, ticket: str) -> None:
    scene.market.inject(
        caller=scene.as_(scene.cast.buyer), prompt=scene.triage, assistant=scene.scout, slot="another",
        variables={"ticket": ticket}, now=scene.now,
    )  # fmt: skip


@asynccontextmanager
async def _old_client(connect: Connect, key: str) -> AsyncIterator[tuple[Client, anyio.Event]]:
    """A client of the older revision, and an event that is set once it was told of a change."""
    told = anyio.Event()

    async def heard(message: Any) -> None:
        if isinstance(message, mcp_types.PromptListChangedNotification):
            told.set()

    async with connect(key, mode="legacy", message_handler=heard) as client:
        yield client, told


def test_a_listener_is_told_and_its_stream_ends_with_its_key(
    scene: Scene, connect: Connect
) -> None:
    key = scene.key(scene.scout)

    async def story() -> None:
        async with connect(key) as client:
            with anyio.fail_after(PATIENCE_SECONDS):
                async with client.listen(prompts_list_changed=True) as stream:
                    await sync_bridge.run(_withdraw, scene)
                    await anext(aiter(stream))
                    assert (await client.list_prompts()).prompts == []
                    await sync_bridge.run(scene.end_key, key)
                    assert [event async for event in stream] == []

    anyio.run(story)


def test_a_client_of_the_older_revision_is_told(scene: Scene, connect: Connect) -> None:
    key = scene.key(scene.scout)

    async def story() -> None:
        async with _old_client(connect, key) as (client, told):
            assert (await client.list_prompts()).prompts
            with anyio.fail_after(PATIENCE_SECONDS):
                while not told.is_set():
                    # Its stream opens a little after it: a change from before would be no change.
                    await sync_bridge.run(_inject, scene, str(anyio.current_time()))
                    await anyio.sleep(0.5)
            assert len((await client.list_prompts()).prompts) == 2

    anyio.run(story)


def test_another_assistants_listener_is_told_nothing(scene: Scene, url: str) -> None:
    other = scene.cast.assistant("other", team=scene.cast.buyers)
    scout, stranger = scene.key(scene.scout), scene.key(other)

    async def story() -> None:
        async with (
            over_http(scout, url=url) as mine,
            over_http(stranger, url=url) as theirs,
            mine.listen(prompts_list_changed=True) as heard,
            theirs.listen(prompts_list_changed=True) as unheard,
        ):
            await sync_bridge.run(_withdraw, scene)
            with anyio.fail_after(PATIENCE_SECONDS):
                await anext(aiter(heard))
                # A key's end is looked up with the changes: whatever there was to tell was told before.
                await sync_bridge.run(scene.end_key, stranger)
                assert [event async for event in unheard] == []

    anyio.run(story)
