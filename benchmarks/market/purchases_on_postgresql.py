"""How many purchases a second does PostgreSQL take over Django, beside pgbench and other ledgers on the same server?

`purchases.buy` by 1, 8 and 16 clients, each for buyers of its own from 200 sellers, with 0 to 3 forebears to be paid
royalties: as clients of `mintmark serve` find it, in processes of four threads, and in a process for each client. Also
with all fees into one row; with a row of the treasury for each client, so that no two ever meet in it; from one seller;
and with the terms of the listing read anew. Beside them, in the same rounds: pgbench's TPC-B-like transaction
at a scale of 16; the same purchase by Django's ORM alone; a transfer of two legs by django-hordak, if PYTHON names an
interpreter of an environment of its own in which django-hordak, dj-database-url and psycopg[binary] are installed; a
transfer of two entries by pgledger, called by pgbench and by psycopg, if FILE names its SQL (pgledger.sql, with
uuid-to-ulid.sql of pgsql-ulid in front).

In turn, round by round, in an order that rotates: the ratio of a round is what counts on a machine that is not quiet.

Run from the repository root: python -m benchmarks.market.purchases_on_postgresql [--rounds 4] [--seconds 1]
[--clients 16] [--hordak PYTHON] [--pgledger FILE] [--json]
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import click

from benchmarks.market import client_pool, pgbench
from benchmarks.service import installation

CLIENTS = (1, 8, 16)
THREADS = 4
"""As many a process as `mintmark serve` has."""
TPC_B = "pgbench, TPC-B-like"
WORKS = ("buy", "a treasury row a client", "one treasury row", "one seller")
ALONE = (*WORKS, "terms read anew", "plain ORM")
_HERE = Path(__file__).parent

type Measure = Callable[[int, float], float]
type Rounds = list[dict[str, float]]


def rounds(*, measures: dict[str, Measure], clients: int, count: int, seconds: float) -> Rounds:
    """Times a second of each, round by round."""
    made = []
    names = list(measures)
    for turn in range(count):
        first = turn % len(names)
        order = names[first:] + names[:first]
        made.append({name: measures[name](clients, seconds) for name in order})
    return made


@contextmanager
def measured(
    *, most: int, hordak: str | None, pgledger: Path | None
) -> Iterator[dict[str, Measure]]:
    """What can be measured on one server, by its name."""
    with ExitStack() as stack:
        house = stack.enter_context(installation.on_postgresql())
        file = house.home / "bazaar.json"
        house.call("benchmarks.market.market_data:furnish", file=file)
        gathered = partial(client_pool.gathered, environment=house.environment)
        trader = [sys.executable, str(_HERE / "trader.py"), str(file)]
        serving = stack.enter_context(
            gathered(trader, processes=-(-most // THREADS), threads=THREADS, first=client_pool.MOST)
        )
        alone = stack.enter_context(gathered(trader, processes=most))
        serving.warm_up(WORKS)
        alone.warm_up(ALONE)
        made: dict[str, Measure] = {
            TPC_B: partial(pgbench.tpc_b, pgbench.prepared(house.url)),
            **{f"{work}, as served": partial(_told, serving, work) for work in WORKS},
            **{f"{work}, a process each": partial(_told, alone, work) for work in ALONE},
        }
        if pgledger:
            ledger = pgbench.with_pgledger(house.url, sql=pgledger)
            by_pgbench = partial(pgbench.script, ledger, _HERE / "pgledger.pgbench.sql")
            by_psycopg = stack.enter_context(
                gathered(
                    [sys.executable, str(_HERE / "ledger_transfers.py"), ledger],
                    processes=-(-most // THREADS),
                    threads=THREADS,
                )
            )
            by_psycopg.warm_up(["transfer"])
            made["pgledger, 2 entries, by pgbench"] = by_pgbench
            made["pgledger, 2 entries, by psycopg"] = partial(_told, by_psycopg, "transfer")
        if hordak:
            url = pgbench.database(house.url, "hordak")
            command = [hordak, str(_HERE / "hordak_transfers.py"), url]
            subprocess.run(command, env=house.environment, check=True)
            by_hordak = stack.enter_context(gathered(command, processes=most))
            by_hordak.warm_up(["transfer"])
            made["django-hordak, 2 legs"] = partial(_told, by_hordak, "transfer")
        yield made


def _told(crowd: client_pool.Crowd, work: str, clients: int, seconds: float) -> float:
    return crowd.rate(work, clients=clients, seconds=seconds).a_second


def _lines(made: Rounds, *, clients: int) -> Iterator[str]:
    for name in sorted(made[0], key=lambda name: "pgbench" not in name):
        rate = statistics.median(row[name] for row in made)
        ratios = sorted(row[name] / row[TPC_B] for row in made)
        spread = f"{ratios[0]:.2f} to {ratios[-1]:.2f}"
        beside = [
            f"{statistics.median(row[name] / row[f'buy, {how}'] for row in made):.2f}"
            for how in ("as served", "a process each")
        ]
        yield (
            f"| {clients} | {name} | {rate:,.0f} | {statistics.median(ratios):.2f} | {spread} "
            f"| {' | '.join(beside)} |"
        )


@click.command()
@click.option("--rounds", "count", default=4, show_default=True, type=click.IntRange(1))
@click.option("--seconds", default=1, show_default=True, type=click.IntRange(1), help="a measure")
@click.option(
    "--clients", "numbers", multiple=True, default=CLIENTS, show_default=True,
    type=click.IntRange(1, client_pool.MOST),
)  # fmt: skip
@click.option("--hordak", envvar="MINTMARK_BENCH_HORDAK", help="a Python that has django-hordak")
@click.option(
    "--pgledger", envvar="MINTMARK_BENCH_PGLEDGER", help="pgledger's SQL",
    type=click.Path(exists=True, path_type=Path),
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True)
def main(
    *,
    count: int,
    seconds: int,
    numbers: Sequence[int],
    hordak: str | None,
    pgledger: Path | None,
    as_json: bool,
) -> None:
    """Print the table, or every round as JSON."""
    with measured(most=max(numbers), hordak=hordak, pgledger=pgledger) as measures:
        told = {
            clients: rounds(measures=measures, clients=clients, count=count, seconds=seconds)
            for clients in numbers
        }
    if as_json:
        click.echo(json.dumps(told, indent=2))
        return
    click.echo(
        "| clients | | times a second | ÷ TPC-B-like | rounds | ÷ buy, as served | ÷ buy, a process each |"
    )
    click.echo("|---|---|---|---|---|---|---|")
    for clients, made in told.items():
        for line in _lines(made, clients=clients):
            click.echo(line)
    for name, option, there in (
        ("django-hordak", "hordak", hordak),
        ("pgledger", "pgledger", pgledger),
    ):
        if not there:
            click.echo(f"\n{name} was not measured: see --{option}.")


if __name__ == "__main__":
    main()
