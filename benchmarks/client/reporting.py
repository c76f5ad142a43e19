"""What does `use.report` cost the caller's thread, beside a line in a log file and beside MLflow?

Seconds of each report while the server takes them, while it is away (they wait on disk), and while three other programs
with the same key report as well. Beside it, in turn, several rounds: a line of the same length by Python's logging into
a file, MLflow's log_feedback (which waits for its server) and its log_metric with synchronous=False (which does not).

MLflow is measured if PYTHON names an interpreter of an environment of its own, in which mlflow is installed.

Run from the repository root:
python -m benchmarks.client.reporting [--calls 40] [--rounds 5] [--mlflow PYTHON] [--json]
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Sequence
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path

import click

from benchmarks.client import peers
from benchmarks.client.peers import Seconds
from benchmarks.service import installation
from mintmark import client

_NOWHERE = "http://127.0.0.1:1"
_OTHERS = 3
_PROMPT = client.Prompt(reference="bench/prompt-0@1", digest="", text="", variables=())
_SAYS = {
    "served": "`use.report`, the server takes them",
    "away": "`use.report`, the server is away",
    "crowded": f"`use.report`, {_OTHERS} other programs report as well",
    "logging": "a line of that length by `logging` into a file",
}
_MLFLOW_SAYS = {
    "log_feedback": "MLflow's `log_feedback`",
    "log_metric": "MLflow's `log_metric(synchronous=False)`",
}


def measured(*, url: str, fleet: installation.Fleet, calls: int, state: Path) -> Seconds:
    """Seconds of each call in the caller's thread."""
    found = {
        "served": _reports(url=url, secret=fleet.secret, state=state / "served", calls=calls),
        "away": _reports(url=_NOWHERE, secret=fleet.secret, state=state / "away", calls=calls),
        "logging": _lines(state / "lines.log", calls=calls),
    }
    spawn = multiprocessing.get_context("spawn")
    stop = spawn.Event()
    ready = spawn.Barrier(_OTHERS + 1)
    told = (url, fleet.secret, state / "crowded", stop, ready)
    others = [spawn.Process(target=_others, args=told) for _ in range(_OTHERS)]
    for other in others:
        other.start()
    ready.wait()
    found["crowded"] = _reports(url=url, secret=fleet.secret, state=told[2], calls=calls)
    stop.set()
    for other in others:
        other.join()
    return found


def _reports(*, url: str, secret: str, state: Path, calls: int) -> list[float]:
    opened = client.Client(url, key=secret, assistant="assistant-0", state=state, exit_seconds=0.5)
    with opened as mint, mint.use(_PROMPT, ritual="ritual-0") as use:
        return timed(lambda n: use.report((n % 11) / 10, runs=10, note=f"{n}"), calls=calls)


def _others(url: str, secret: str, state: Path, stop: Event, ready: Barrier) -> None:
    opened = client.Client(url, key=secret, assistant="assistant-0", state=state, exit_seconds=0.5)
    with opened as mint, mint.use(_PROMPT, ritual="ritual-0") as use:
        use.report(0.5, note="another")
        ready.wait()
        while not stop.is_set():
            use.report(0.5, note="another")
            time.sleep(0.002)


def _lines(file: Path, *, calls: int) -> list[float]:
    handler = logging.FileHandler(file)
    log = logging.getLogger("bench")
    log.addHandler(handler)
    log.propagate = False
    try:
        return timed(lambda n: log.warning("%s", "x" * 230), calls=calls)
    finally:
        log.removeHandler(handler)
        handler.close()


def timed(call: Callable[[int], object], *, calls: int) -> list[float]:
    """Seconds of each call, a millisecond apart, after ten to warm up."""
    found = []
    for n in range(calls + 10):
        begun = time.perf_counter()
        call(n)
        found.append(time.perf_counter() - begun)
        time.sleep(0.001)
    return found[10:]


@click.command()
@click.option("--calls", default=40, show_default=True, type=click.IntRange(10))
@click.option("--rounds", "count", default=5, show_default=True, type=click.IntRange(1))
@click.option("--mlflow", "python", envvar="MINTMARK_BENCH_MLFLOW", help="a Python that has mlflow")
@click.option("--json", "as_json", is_flag=True)
def main(*, calls: int, count: int, python: str | None, as_json: bool) -> None:
    """Print the table, or the same as JSON."""
    logging.getLogger("mintmark.client").setLevel(logging.ERROR)
    mine: list[Seconds] = []
    theirs: list[Seconds] = []
    peers.told("a house is made, with a fleet of 2,000 prompts")
    with installation.on_sqlite() as house, tempfile.TemporaryDirectory() as folder:
        fleet: installation.Fleet = house.call("benchmarks.service.fleet_data:settle")
        with (
            house.served(workers=2) as port,
            peers.mlflow(python=python, home=house.home, what="report", calls=calls) as peer,
        ):
            url = f"http://127.0.0.1:{port}"
            for n in range(count):
                peers.told(f"round {n + 1} of {count}")
                state = Path(folder) / f"{n}"
                state.mkdir()
                mine.append(measured(url=url, fleet=fleet, calls=10 * calls, state=state))
                if peer is not None:
                    theirs.append(peer())
    if as_json:
        click.echo(json.dumps({"mintmark": mine, "mlflow": theirs}))
        return
    click.echo("| | median (of rounds) | 99 of 100 within | longest | ÷ `use.report`, served |")
    click.echo("|---|---|---|---|---|")
    for name, says in _SAYS.items():
        click.echo(
            _line(says, [one[name] for one in mine], peers.ratios(mine, "served", mine, name))
        )
    for name, says in _MLFLOW_SAYS.items():
        if theirs:
            ratio = peers.ratios(mine, "served", theirs, name)
            click.echo(_line(says, [one[name] for one in theirs], ratio))


def _line(says: str, rounds: Sequence[Sequence[float]], ratio: str) -> str:
    every = [seconds for one in rounds for seconds in one]
    longest = peers.spelled(max(every))
    return f"| {says} | {peers.middle(rounds)} | {peers.last(every)} | {longest} | {ratio} |"


if __name__ == "__main__":
    main()
