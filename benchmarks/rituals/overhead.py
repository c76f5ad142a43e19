"""What does it cost to run a ritual, beside asking the same endpoint the same questions by httpx alone?

A worker takes a run of 200 cases, asks, judges, writes each result, enters the outcome into the log. In turn with it,
round by round in the same process, an httpx.AsyncClient sends the same bodies to the same endpoint (a real HTTP server
in a process of its own), as many at once, and reads each reply as JSON. On SQLite and on PostgreSQL, with an endpoint
that answers at once and one that takes its time.

Run from the repository root: python -m benchmarks.rituals.overhead [--cases 200] [--rounds 5] [--json]
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import click

from benchmarks.rituals import endpoint
from benchmarks.service import installation

AT_ONCE = (1, 8)
DELAYS_SECONDS = (0.0, 0.1)
DATABASES: dict[str, Callable[[], AbstractContextManager[installation.House]]] = {
    "SQLite": installation.on_sqlite,
    "PostgreSQL": installation.on_postgresql,
}


def measured(*, urls: dict[float, str], cases: int, rounds: int) -> list[dict[str, Any]]:
    """In a process of a house: for each endpoint and number of calls at once, milliseconds a case of each round, of the
    peer and of the ritual; and of the processor's time that this process took."""
    from benchmarks.rituals import scenes

    scene = scenes.built(cases=cases)
    told = []
    for delay, url in urls.items():
        for at_once in AT_ONCE:
            if at_once == 1 and delay:
                continue  # it waits, and nothing else
            scene.reach(url=url, at_once=at_once)
            bodies = scene.bodies()
            scene.run()  # so that kernels are compiled and connections were made once
            row: dict[str, Any] = {"delay": delay, "at_once": at_once}
            for _ in range(rounds):
                timed(row, "direct", partial(ask_all, url, bodies, at_once=at_once), cases=cases)
                timed(row, "ritual", scene.run, cases=cases)
            told.append(row)
    return told


def timed(row: dict[str, Any], name: str, work: Callable[[], None], *, cases: int) -> None:
    """Add to a row how long work takes, and how much of the processor."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    processor, wall = time.process_time() - processor, time.perf_counter() - wall
    row.setdefault(name, []).append(1e3 * wall / cases)
    row.setdefault(f"{name}_processor", []).append(1e3 * processor / cases)


def ask_all(url: str, bodies: Sequence[dict[str, Any]], *, at_once: int) -> None:
    """What a script without Mintmark does."""
    asyncio.run(asked(url, bodies, at_once=at_once))


async def asked(url: str, bodies: Sequence[dict[str, Any]], *, at_once: int) -> None:
    """Have httpx send these bodies and read the replies, so many at once."""
    import httpx

    waiting = iter(bodies)

    async def caller(client: httpx.AsyncClient) -> None:
        for body in waiting:
            reply = await client.post(f"{url}/chat/completions", json=body)
            assert reply.json()["choices"]

    async with httpx.AsyncClient(trust_env=False) as client:
        await asyncio.gather(*(caller(client) for _ in range(at_once)))


def summary(row: dict[str, Any]) -> dict[str, float]:
    """Medians over the rounds, and the range of what a ritual takes more, in milliseconds a case and as a ratio."""
    pairs = list(zip(row["direct"], row["ritual"], strict=True))
    more = [ritual - direct for direct, ritual in pairs]
    return {
        **{
            f"{name}_ms": statistics.median(row[name])
            for name in ("direct", "ritual", "direct_processor", "ritual_processor")
        },
        "more_ms": statistics.median(more),
        "least_more_ms": min(more),
        "most_more_ms": max(more),
        "ratio": statistics.median(ritual / direct for direct, ritual in pairs),
    }


def lines(told: dict[str, list[dict[str, Any]]]) -> Iterator[str]:
    """The table."""
    yield (
        "| database | endpoint answers after | at once | httpx, ms a case | ritual, ms a case | more, ms | ratio "
        "| processor, ms a case: httpx | ritual |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
    for database, rows in told.items():
        for row in rows:
            one = summary(row)
            where = f"{database} | {1e3 * row['delay']:.0f} ms | {row['at_once']}"
            more = f"{one['more_ms']:.2f} ({one['least_more_ms']:.2f} to {one['most_more_ms']:.2f})"
            both = f"{one['direct_ms']:.2f} | {one['ritual_ms']:.2f}"
            processor = f"{one['direct_processor_ms']:.2f} | {one['ritual_processor_ms']:.2f}"
            yield f"| {where} | {both} | {more} | {one['ratio']:.2f} | {processor} |"


@click.command()
@click.option("--cases", default=200, show_default=True, type=click.IntRange(10, 2_000))
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1, 100))
@click.option("--json", "as_json", is_flag=True)
def main(*, cases: int, rounds: int, as_json: bool) -> None:
    """Print a table, or every round as JSON."""
    told = {}
    with (
        endpoint.started(delay_seconds=DELAYS_SECONDS[0]) as quick,
        endpoint.started(delay_seconds=DELAYS_SECONDS[1]) as slow,
    ):
        urls = dict(zip(DELAYS_SECONDS, (quick, slow), strict=True))
        for name, built in DATABASES.items():
            with built() as house:
                told[name] = house.call(
                    "benchmarks.rituals.overhead:measured", urls=urls, cases=cases, rounds=rounds
                )
    if as_json:
        click.echo(json.dumps(told, indent=2))
        return
    for line in lines(told):
        click.echo(line)


if __name__ == "__main__":
    main()
