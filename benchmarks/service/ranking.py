"""What do an assistant's gates cost a ranking? The first prompts for a task with its gates and without, in turn.

`AssistantTrustTracker.ranking` orders what may be used; `candidates.ranked`, which `GET /ranking` and `client.best`
ask, leaves out what is under the assistant's floor of trust or against a blocking clause, whose texts it reads. A
fleet with 2,000 prompts on an SQLite file, 20,000 events folded; the processor's time of one process.

Run from the repository root: python -m benchmarks.service.ranking [--orders 100] [--rounds 5] [--json]
"""

from __future__ import annotations

import json
import statistics

import click

from benchmarks.service import installation

_EVENTS = 20_000
_LIMITS = (1, 50)


@click.command()
@click.option("--orders", default=100, show_default=True, type=click.IntRange(10))
@click.option("--rounds", "count", default=5, show_default=True, type=click.IntRange(1))
@click.option("--json", "as_json", is_flag=True)
def main(*, orders: int, count: int, as_json: bool) -> None:
    """Print the table, or the same as JSON."""
    told: dict[int, list[tuple[float, float]]] = {}
    with installation.on_sqlite() as house:
        fleet: installation.Fleet = house.call("benchmarks.service.fleet_data:settle")
        house.call("benchmarks.service.fleet_data:write", fleet=fleet, events=_EVENTS)
        house.call("benchmarks.service.measures:fold_all")
        for limit in _LIMITS:
            told[limit] = [
                house.call(
                    "benchmarks.service.measures:ranking_with_and_without_gates",
                    fleet=fleet,
                    orders=orders,
                    limit=limit,
                )
                for _ in range(count)
            ]
    if as_json:
        click.echo(json.dumps({"microseconds_by_limit": told}, indent=2))
        return
    click.echo("| prompts asked for | without gates, ms | with, ms | ratio |")
    click.echo("|---|---|---|---|")
    for limit, pairs in told.items():
        ratios = [own / bare for bare, own in pairs]
        click.echo(
            f"| {limit} | {statistics.median(bare for bare, _ in pairs) / 1e3:.1f} "
            f"| {statistics.median(own for _, own in pairs) / 1e3:.1f} "
            f"| {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) |"
        )


if __name__ == "__main__":
    main()
