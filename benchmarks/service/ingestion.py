"""How fast does evidence come in over HTTP, beside INSERT…SELECT in the same server and beside MLflow?

`mintmark serve` with two processes on PostgreSQL takes batches of 100 outcomes under random keys from
four clients; then the same number of rows is written by one INSERT…SELECT generate_series into the same
table with the same indexes. In turn, several rounds: the ratio of a round is what counts on a machine
that is not quiet. Once while nobody folds, once while the worker does.

MLflow's log_feedback is measured too if PYTHON names an interpreter of an environment of its own, in which mlflow and
psycopg2-binary are installed.

Run from the repository root: python -m benchmarks.service.ingestion [--batches 50] [--rounds 3]
[--mlflow PYTHON] [--json]
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import click
import psycopg

from benchmarks.service import clients, installation
from tests import installations

_HERE = Path(__file__).parent
_INSERT_SELECT = (_HERE / "insert_select.postgresql.sql").read_text().encode()
_BEHIND = (
    "SELECT (SELECT count(*) FROM evidence_event) - coalesce((SELECT folded FROM trust_cursor), 0)"
)
_CATCHING_UP_SECONDS = 600.0
_MLFLOW_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Round:
    """Events a second over HTTP and by INSERT…SELECT, and their ratio."""

    http: float
    insert_select: float
    ratio: float


def rounds(
    *, house: installation.House, fleet: installation.Fleet, settings: str, batches: int, count: int
) -> list[Round]:
    """So many rounds against one server, after a few batches to warm it up."""
    events = batches * clients.BATCH * clients.CLIENTS
    made = []
    with house.served(workers=2, settings=settings) as port:
        clients.rate(port=port, fleet=fleet, plan=partial(clients.evidence, fleet, 5))
        for _ in range(count):
            plan = partial(clients.evidence, fleet, batches)
            http = clients.BATCH * clients.rate(port=port, fleet=fleet, plan=plan)
            peer = insert_select(house=house, fleet=fleet, events=events)
            made.append(Round(http=http, insert_select=peer, ratio=http / peer))
    return made


def insert_select(*, house: installation.House, fleet: installation.Fleet, events: int) -> float:
    """Rows a second that the database writes by itself."""
    values: dict[str, Any] = {"actor": fleet.operator, "events": events}
    for name in ("prompts", "assistants", "rituals"):
        ids = getattr(fleet, name)
        values |= {name: ids, f"n_{name}": len(ids)}
    with psycopg.connect(house.url, autocommit=True) as connection:
        begun = time.monotonic()
        connection.execute(_INSERT_SELECT, values)
        return events / (time.monotonic() - begun)


def catching_up(*, house: installation.House) -> float:
    """Events a second at which a worker folds what is there, with nothing else to do."""
    with psycopg.connect(house.url, autocommit=True) as connection, house.served(workers=2):
        behind = _behind(connection)
        begun = time.monotonic()
        while (left := _behind(connection)) and time.monotonic() - begun < _CATCHING_UP_SECONDS:
            time.sleep(0.5)
        return (behind - left) / (time.monotonic() - begun)


def _behind(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute(_BEHIND).fetchone()
    assert row is not None
    return int(row[0])


def mlflow(*, python: str, house: installation.House) -> dict[str, float]:
    """log_feedback calls a second: one caller in the process that holds the store, and four callers of MLflow's own
    server with two processes, on SQLite and on PostgreSQL."""
    with psycopg.connect(house.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE mlflow")
    url = urlsplit(house.url)._replace(scheme="postgresql+psycopg2", path="/mlflow")
    stores = {
        "SQLite": f"sqlite:///{house.home / 'mlflow.sqlite3'}",
        "PostgreSQL": urlunsplit(url),
    }
    rates = {}
    for name, store in stores.items():
        rates[f"{name}, in one process"] = _log_feedback(
            python=python, home=house.home, store=store, callers=1
        )
        with _mlflow_server(python=python, home=house.home, store=store) as address:
            rates[f"{name}, over HTTP"] = _log_feedback(
                python=python, home=house.home, store=address, callers=clients.CLIENTS
            )
    return rates


def _log_feedback(*, python: str, home: Path, store: str, callers: int) -> float:
    """Calls a second of so many processes together."""
    command = [python, str(_HERE / "mlflow_feedback.py"), store, str(_MLFLOW_SECONDS)]
    with ExitStack() as stack:
        running = [
            stack.enter_context(
                subprocess.Popen(
                    command, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
                )
            )
            for _ in range(callers)
        ]
        told = [process.communicate()[0] for process in running]
    if any(process.returncode for process in running):
        raise RuntimeError(f"MLflow's log_feedback failed on {store}; run {' '.join(command)}")
    return sum(float(text.split()[-1]) for text in told)


@contextmanager
def _mlflow_server(*, python: str, home: Path, store: str) -> Iterator[str]:
    """MLflow's tracking server with two processes, until the block ends; yields its address."""
    port = installations.free_port()
    command = [python, "-m", "mlflow", "server", "--backend-store-uri", store, "--workers", "2"]
    process = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port)],
        cwd=home,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        installations.await_answer(port=port, process=process)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


@click.command()
@click.option("--batches", default=50, show_default=True, type=click.IntRange(1), help="a client")
@click.option("--rounds", "count", default=3, show_default=True, type=click.IntRange(1))
@click.option("--mlflow", "python", envvar="MINTMARK_BENCH_MLFLOW", help="a Python that has mlflow")
@click.option("--json", "as_json", is_flag=True)
def main(*, batches: int, count: int, python: str | None, as_json: bool) -> None:
    """Print the tables, or the same as JSON."""
    with installation.on_postgresql() as house:
        fleet: installation.Fleet = house.call("benchmarks.service.fleet_data:settle")
        measure = partial(rounds, house=house, fleet=fleet, batches=batches, count=count)
        unfolded = measure(settings=installation.BENCH_SETTINGS)
        peer = mlflow(python=python, house=house) if python else {}
        folded = measure(settings=installations.SETTINGS)
        told = {
            "events_a_round": batches * clients.BATCH * clients.CLIENTS,
            "nobody_folds": [asdict(row) for row in unfolded],
            "a_worker_folds": [asdict(row) for row in folded],
            "worker_catching_up": catching_up(house=house),
            "mlflow_log_feedback": peer,
        }
    if as_json:
        click.echo(json.dumps(told, indent=2))
        return
    click.echo("| batches of 100 over HTTP | events/s | INSERT…SELECT, rows/s | ratio | rounds |")
    click.echo("|---|---|---|---|---|")
    for name, rows in (("nobody folds", unfolded), ("a worker folds", folded)):
        click.echo(_line(name, rows))
    click.echo(f"\nCatching up, the worker folds {told['worker_catching_up']:,.0f} events/s.\n")
    if not peer:
        click.echo("MLflow was not measured: name a Python that has it with --mlflow.")
        return
    http = statistics.median(row.http for row in unfolded)
    click.echo("| MLflow's log_feedback on | calls/s | events/s over HTTP ÷ that |\n|---|---|---|")
    for store, rate in peer.items():
        click.echo(f"| {store} | {rate:,.0f} | {http / rate:,.0f} |")


def _line(name: str, rows: Sequence[Round]) -> str:
    http, peer, ratio = (
        statistics.median(getattr(row, field) for row in rows)
        for field in ("http", "insert_select", "ratio")
    )
    each = ", ".join(f"{row.ratio:.3f}" for row in rows)
    return f"| {name} | {http:,.0f} | {peer:,.0f} | {ratio:.3f} | {each} |"


if __name__ == "__main__":
    main()
