"""How fast is a prompt's reputation read over HTTP, beside a plain Django view of the same reading?

GET /api/v1/prompts/{id}/reputation (key recognised, answer shaped, ETag) against a plain view that makes
the same reading and hands it to JsonResponse, and against a view of one row by its key. All in the same
server: `mintmark serve` with two processes on PostgreSQL, four clients, prompts drawn at random. In
turn, several rounds: the ratio of a round is what counts on a machine that is not quiet.

Run from the repository root: python -m benchmarks.service.reading [--requests 200] [--rounds 9] [--json]
"""

from __future__ import annotations

import json
import statistics
from functools import partial

import click

from benchmarks.service import clients, installation

ENDPOINT = "/api/v1/prompts/{}/reputation"
PLAIN = {"the same reading": "/plain/same/{}", "one row by its key": "/plain/row/{}"}


def rounds(
    *, port: int, fleet: installation.Fleet, requests: int, count: int
) -> list[dict[str, float]]:
    """Requests a second of each address, round by round."""
    addresses = {"endpoint": ENDPOINT} | PLAIN

    def rate(address: str, each: int) -> float:
        plan = partial(clients.readings, fleet, address, each)
        return clients.rate(port=port, fleet=fleet, plan=plan)

    for address in addresses.values():
        rate(address, 10)
    return [
        {name: rate(address, requests) for name, address in addresses.items()} for _ in range(count)
    ]


@click.command()
@click.option("--requests", default=200, show_default=True, type=click.IntRange(1), help="a client")
@click.option("--rounds", "count", default=9, show_default=True, type=click.IntRange(1))
@click.option("--events", default=20_000, show_default=True, type=click.IntRange(1))
@click.option("--json", "as_json", is_flag=True)
def main(*, requests: int, count: int, events: int, as_json: bool) -> None:
    """Print the table, or the same as JSON."""
    with installation.on_postgresql() as house:
        fleet: installation.Fleet = house.call("benchmarks.service.fleet_data:settle")
        house.call("benchmarks.service.fleet_data:write", fleet=fleet, events=events)
        house.call("benchmarks.service.measures:fold_all")
        with house.served(workers=2, settings=installation.BENCH_SETTINGS) as port:
            told = rounds(port=port, fleet=fleet, requests=requests, count=count)
    if as_json:
        click.echo(json.dumps({"events": events, "requests_a_second": told}, indent=2))
        return
    click.echo("| a plain view of | requests/s | the endpoint, requests/s | ratio | rounds |")
    click.echo("|---|---|---|---|---|")
    endpoint = statistics.median(row["endpoint"] for row in told)
    for name in PLAIN:
        ratios = [row["endpoint"] / row[name] for row in told]
        plain = statistics.median(row[name] for row in told)
        each = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        click.echo(
            f"| {name} | {plain:,.0f} | {endpoint:,.0f} | {statistics.median(ratios):.2f} | {each} |"
        )


if __name__ == "__main__":
    main()
