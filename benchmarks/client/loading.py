"""How long does a program wait for its prompt, beside MLflow's load_prompt?

`client.get` of a prompt that was never read, of one that is held and confirmed (the default: a label that moved, a
prompt that was revoked is seen at once), and of one that is used unasked (`fresh_seconds`); load_prompt past its cache
and from it. Both over HTTP from a server with two processes on SQLite, one caller, in turn, several rounds.

MLflow is measured if PYTHON names an interpreter of an environment of its own, in which mlflow is installed.

Run from the repository root: python -m benchmarks.client.loading [--calls 40] [--rounds 5] [--mlflow PYTHON] [--json]
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from benchmarks.client import peers
from benchmarks.client.peers import Seconds
from benchmarks.service import installation
from mintmark import client

_HELD = "bench/prompt-0"


def measured(*, url: str, fleet: installation.Fleet, calls: int, state: Path) -> Seconds:
    """Seconds of each call, with clients that know nothing yet but have their connection."""
    told = {"key": fleet.secret, "state": state}
    with (
        client.Client(url, **told) as asking,
        client.Client(url, fresh_seconds=300, **told) as fresh,
    ):
        for one in (asking, fresh):
            one.get(_HELD)
        return {
            "uncached": _timed(lambda n: asking.get(f"bench/prompt-{n + 1}"), calls),
            "confirmed": _timed(lambda n: asking.get(_HELD), calls),
            "fresh": _timed(lambda n: fresh.get(_HELD), 10 * calls),
        }


def _timed(call: Callable[[int], object], calls: int) -> list[float]:
    found = []
    for n in range(calls):
        begun = time.perf_counter()
        call(n)
        found.append(time.perf_counter() - begun)
    return found


@click.command()
@click.option("--calls", default=40, show_default=True, type=click.IntRange(10, 1_900))
@click.option("--rounds", "count", default=5, show_default=True, type=click.IntRange(1))
@click.option("--mlflow", "python", envvar="MINTMARK_BENCH_MLFLOW", help="a Python that has mlflow")
@click.option("--json", "as_json", is_flag=True)
def main(*, calls: int, count: int, python: str | None, as_json: bool) -> None:
    """Print the table, or the same as JSON."""
    mine: list[Seconds] = []
    theirs: list[Seconds] = []
    peers.told("a house is made, with a fleet of 2,000 prompts")
    with installation.on_sqlite() as house, tempfile.TemporaryDirectory() as state:
        fleet: installation.Fleet = house.call("benchmarks.service.fleet_data:settle")
        with (
            house.served(workers=2) as port,
            peers.mlflow(python=python, home=house.home, what="load", calls=calls) as peer,
        ):
            url = f"http://127.0.0.1:{port}"
            for n in range(count):
                peers.told(f"round {n + 1} of {count}")
                mine.append(measured(url=url, fleet=fleet, calls=calls, state=Path(state)))
                if peer is not None:
                    theirs.append(peer())
    if as_json:
        click.echo(json.dumps({"mintmark": mine, "mlflow": theirs}))
        return
    click.echo(
        "| | median (of rounds) | 99 of 100 within | MLflow ÷ that (median of rounds, each) |"
    )
    click.echo("|---|---|---|---|")
    for name, says, beside in (
        ("uncached", "`client.get`, read for the first time", "uncached"),
        ("confirmed", "`client.get`, held and confirmed (the default)", "uncached"),
        ("fresh", "`client.get` within `fresh_seconds`", "cached"),
    ):
        ratio = peers.ratios(mine, name, theirs, beside) if theirs else "not measured"
        click.echo(_line(says, [one[name] for one in mine], ratio))
    for name, says in (("uncached", "past its cache"), ("cached", "from its cache")):
        if theirs:
            click.echo(_line(f"`load_prompt` {says}", [one[name] for one in theirs], ""))


def _line(says: str, rounds: Sequence[Sequence[float]], ratio: str) -> str:
    every = [seconds for one in rounds for seconds in one]
    return f"| {says} | {peers.middle(rounds)} | {peers.last(every)} | {ratio} |"


if __name__ == "__main__":
    main()
