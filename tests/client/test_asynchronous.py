"""The asynchronous client: the same rules in an event loop."""

import asyncio
from pathlib import Path

import pytest

from mintmark import client

from . import faulty_server
from .faulty_server import PROMPT, Server


def _opened(server: Server, folder: Path, **changes: float) -> client.AsyncClient:
    return client.AsyncClient(
        server.url,
        key=faulty_server.KEY,
        assistant="scout",
        state=folder,
        exit_seconds=1.0,
        **changes,
    )


def test_it_reads_and_reports(server: Server, tmp_path: Path) -> None:
    async def story() -> client.Counts:
        async with _opened(server, tmp_path) as mint:
            prompt = await mint.get("mint/summary")
            assert prompt.render(text="it") == "Sum up it."
            async with mint.use("mint/summary", ritual="summaries") as use:
                for n in range(100):
                    use.report(n / 100, note=f"{n}")
            assert await mint.flush(60)
            return mint.counts()

    assert asyncio.run(story()).delivered == 100
    assert len(server.events) == 100


def test_a_revocation_is_seen_at_once_and_errors_are_those_of_the_plain_client(
    server: Server, tmp_path: Path
) -> None:
    async def story() -> None:
        async with _opened(server, tmp_path, stale_seconds=60, timeout_seconds=1.0) as mint:
            await mint.get("mint/summary")
            server.spoils_reads = True
            server.faults.extend(["500", "cut", "cut", "slow"])
            for _ in range(3):
                assert (await mint.get("mint/summary")).source == "stale"
            assert (await mint.get("mint/summary")).source == "server"
            server.prompts["mint/summary"] = PROMPT | {"text": None}
            with pytest.raises(client.Refused):
                await mint.get("mint/summary")
            server.faults.append("500")
            with pytest.raises(client.Unavailable):
                await mint.get("mint/summary")

    asyncio.run(story())


def test_many_tasks_read_at_once(server: Server, tmp_path: Path) -> None:
    async def story() -> list[str]:
        async with _opened(server, tmp_path) as mint:
            found = await asyncio.gather(*(mint.get("mint/summary") for _ in range(50)))
            return [prompt.text for prompt in found]

    assert asyncio.run(story()) == ["Sum up {text}."] * 50


def test_one_client_serves_loop_after_loop(server: Server, tmp_path: Path) -> None:
    mint = _opened(server, tmp_path)
    for _ in range(3):
        assert asyncio.run(mint.get("mint/summary")).source == "server"
    asyncio.run(mint.close())
