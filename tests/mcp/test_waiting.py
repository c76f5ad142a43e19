"""Calls that take their time: they say how far they are, and can be cancelled."""

from datetime import UTC, datetime
from functools import partial

import anyio
import pytest

from mintmark.market.models import PurchaseRequest
from mintmark.mcp import sync_bridge
from tests.factories.mcp_scene import Scene, over_http

PATIENCE_SECONDS = 60
MODES = ("auto", "legacy")


def _decide(scene: Scene, *, confirmed: bool) -> None:
    buyer, now = scene.as_(scene.cast.buyer), datetime.now(UTC)
    (waiting,) = PurchaseRequest.objects.filter(state=PurchaseRequest.State.WAITING)
    if confirmed:
        scene.market.confirm_request(caller=buyer, request=waiting, now=now)
    else:
        scene.market.decline_request(caller=buyer, request=waiting, now=now)


@pytest.mark.parametrize("mode", MODES)
def test_a_purchase_waits_for_a_person_and_says_so(scene: Scene, url: str, mode: str) -> None:
    key = scene.key(scene.scout)
    said: list[str] = []

    async def heard(progress: float, total: float | None, message: str | None) -> None:
        assert total == 60
        said.append(message or "")
        if len(said) == 1:
            await sync_bridge.run(_decide, scene, confirmed=True)

    async def story() -> None:
        async with over_http(key, url=url, mode=mode) as client:
            wanted = {"prompt": "acme/assay", "price": "50", "key": "k", "wait_seconds": 60}
            with anyio.fail_after(PATIENCE_SECONDS):
                told = await client.call_tool("buy_prompt", wanted, progress_callback=heard)
        assert told.structured_content["status"] == "bought"
        assert told.structured_content["request"]

    anyio.run(story)
    assert said[0] == "a person is asked to confirm the purchase"
    assert scene.balance(scene.scout) == "10"


def test_who_waits_no_longer_is_told_that_it_still_waits(scene: Scene, url: str) -> None:
    key = scene.key(scene.scout)

    async def story() -> None:
        async with over_http(key, url=url) as client:
            wanted = {"prompt": "acme/assay", "price": "50", "key": "k", "wait_seconds": 1}
            for _ in range(2):
                told = await client.call_tool("buy_prompt", wanted)
                assert told.structured_content["status"] == "waiting"
            await sync_bridge.run(_decide, scene, confirmed=False)
            told = await client.call_tool("buy_prompt", wanted)
            assert told.structured_content["status"] == "declined"

    anyio.run(story)
    assert PurchaseRequest.objects.count() == 1


@pytest.mark.parametrize("mode", MODES)
def test_a_cancelled_call_ends_and_what_it_asked_for_stands(
    scene: Scene, url: str, mode: str
) -> None:
    key = scene.key(scene.scout)

    async def story() -> None:
        async with over_http(key, url=url, mode=mode) as client:
            started = anyio.Event()

            async def heard(progress: float, total: float | None, message: str | None) -> None:
                started.set()

            wanted = {"prompt": "acme/assay", "price": "50", "key": "k", "wait_seconds": 600}
            call = partial(client.call_tool, "buy_prompt", wanted, progress_callback=heard)
            with anyio.fail_after(PATIENCE_SECONDS):
                async with anyio.create_task_group() as both:
                    both.start_soon(call)
                    await started.wait()
                    both.cancel_scope.cancel()
                told = await client.call_tool("get_prompt", {})
                assert not told.is_error

    anyio.run(story)
    assert PurchaseRequest.objects.get().state == PurchaseRequest.State.WAITING
