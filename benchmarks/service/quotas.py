"""What does counting requests cost? An endpoint with quotas and without, request by request in turn, in one process.

`GET /api/v1/me`, the least that an endpoint does, and `GET /api/v1/prompts/{id}/reputation`, through all of
Django on an SQLite file, without a socket. What counts is the processor's time of the process: the machine
is not quiet. Beside it, the time of knowing a key and taking one request from its bucket, by itself.

Run from the repository root: python -m benchmarks.service.quotas [--requests 2000] [--rounds 5] [--json]
"""

from __future__ import annotations

import json
import statistics

import click

from benchmarks.service import installation


@click.command()
@click.option("--requests", default=2_000, show_default=True, type=click.IntRange(10))
@click.option("--rounds", "count", default=5, show_default=True, type=click.IntRange(1))
@click.option("--json", "as_json", is_flag=True)
def main(*, requests: int, count: int, as_json: bool) -> None:
    """Print the table, or the same as JSON."""
    told: dict[str, list[tuple[float, float]]] = {}
    with installation.on_sqlite() as house:
        fleet: installation.Fleet = house.call("benchmarks.service.fleet_data:settle")
        paths = {
            "GET /me": "/api/v1/me",
            "GET /prompts/{id}/reputation": f"/api/v1/prompts/{fleet.prompts[0]}/reputation",
        }
        for name, path in paths.items():
            told[name] = [
                house.call(
                    "benchmarks.service.measures:with_and_without_quotas",
                    path=path,
                    secret=fleet.secret,
                    requests=requests,
                )
                for _ in range(count)
            ]
        taking = house.call("benchmarks.service.measures:taking", requests=100_000)
    if as_json:
        click.echo(json.dumps({"microseconds": told, "one_taking": taking}, indent=2))
        return
    click.echo("| endpoint | without, µs | with, µs | more, µs | ratio |")
    click.echo("|---|---|---|---|---|")
    for name, pairs in told.items():
        more = [own - bare for bare, own in pairs]
        ratios = [own / bare for bare, own in pairs]
        click.echo(
            f"| `{name}` | {statistics.median(bare for bare, _ in pairs):,.0f} "
            f"| {statistics.median(own for _, own in pairs):,.0f} "
            f"| {statistics.median(more):.0f} ({min(more):.0f} to {max(more):.0f}) "
            f"| {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f}) |"
        )
    click.echo(f"\nOne taking from a bucket: {taking:.1f} µs.")


if __name__ == "__main__":
    main()
