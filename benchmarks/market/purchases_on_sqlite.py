"""How many purchases a second does SQLite take over Django, beside the bare driver doing the same statements?

`purchases.buy` by 1 and 4 client processes on one file, as `mintmark serve` opens it (WAL, IMMEDIATE), and by Python's
`sqlite3` alone: the same statements in the same transactions, with nothing between them, who gets what worked out
before. In turn, round by round. How often a client found the database locked is counted: never is what is wanted.

Run from the repository root: python -m benchmarks.market.purchases_on_sqlite [--rounds 5] [--seconds 1] [--clients 4]
[--json]
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from benchmarks.market import client_pool
from benchmarks.service import installation

CLIENTS = (1, 4)
WORKS = ("bare driver", "buy")
_HERE = Path(__file__).parent

type Rounds = list[dict[str, client_pool.Rate]]


def run(*, count: int, seconds: float, numbers: Sequence[int]) -> dict[int, Rounds]:
    """The rounds at each number of clients."""
    with installation.on_sqlite() as house:
        file = house.home / "bazaar.json"
        house.call("benchmarks.market.market_data:furnish", file=file)
        command = [sys.executable, str(_HERE / "trader.py"), str(file)]
        with client_pool.gathered(
            command, processes=max(numbers), environment=house.environment
        ) as crowd:
            crowd.warm_up(WORKS)
            return {
                clients: [
                    {work: crowd.rate(work, clients=clients, seconds=seconds) for work in order}
                    for order in [WORKS if n % 2 else WORKS[::-1] for n in range(count)]
                ]
                for clients in numbers
            }


@click.command()
@click.option("--rounds", "count", default=5, show_default=True, type=click.IntRange(1))
@click.option(
    "--seconds", default=1.0, show_default=True, type=click.FloatRange(0.1), help="a measure"
)
@click.option(
    "--clients", "numbers", multiple=True, default=CLIENTS, show_default=True,
    type=click.IntRange(1, client_pool.MOST),
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True)
def main(*, count: int, seconds: float, numbers: Sequence[int], as_json: bool) -> None:
    """Print the table, or every round as JSON."""
    told = run(count=count, seconds=seconds, numbers=numbers)
    if as_json:
        plain = {
            clients: [{work: asdict(rate) for work, rate in row.items()} for row in made]
            for clients, made in told.items()
        }
        click.echo(json.dumps(plain, indent=2))
        return
    click.echo("| clients | buy, a second | bare driver | ratio | rounds | database is locked |")
    click.echo("|---|---|---|---|---|---|")
    for clients, made in told.items():
        buy, bare = (
            statistics.median(row[work].a_second for row in made) for work in ("buy", "bare driver")
        )
        ratios = [row["buy"].a_second / row["bare driver"].a_second for row in made]
        each = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        locked = sum(rate.locked for row in made for rate in row.values())
        click.echo(
            f"| {clients} | {buy:,.0f} | {bare:,.0f} | {statistics.median(ratios):.2f} | {each} | {locked} |"
        )


if __name__ == "__main__":
    main()
