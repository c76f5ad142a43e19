"""How fast is evidence folded into scores, and does an event cost the same however long the log is?

A log of a fleet of 2,000 prompts and 50 assistants (all kinds of evidence, batches of 100) grows tenfold
from stage to stage. At each: the live projector over what is new, slice by slice and stored; one event
recorded and folded alone; and a replay of the whole log in memory, by a process of its own.

Run from the repository root: python -m benchmarks.service.projection [--most 100000]
[--on sqlite --on postgresql] [--json]
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import click

from benchmarks.service import installation

_HOUSES = {"sqlite": installation.on_sqlite, "postgresql": installation.on_postgresql}
FIRST = 10_000


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One length of the log on one database. Times in µs an event but `single_ms`; memory of the replaying process."""

    database: str
    events: int
    live_us: float
    last_slice_us: float
    single_ms: float
    replay_us: float
    reading_us: float
    replay_mb: float


def stages(*, database: str, most: int) -> Iterator[Stage]:
    """Stages 10⁴, 10⁵… up to `most` events."""
    with _HOUSES[database]() as house:
        fleet: installation.Fleet = house.call("benchmarks.service.fleet_data:settle")
        length, there = FIRST, 0
        while length <= most:
            house.call(
                "benchmarks.service.fleet_data:write",
                fleet=fleet,
                events=length - there,
                already=there,
                most=most,
            )
            live = house.call("benchmarks.service.measures:fold_all")
            replayed = house.call("benchmarks.service.measures:replay")
            single = house.call("benchmarks.service.measures:single_events", fleet=fleet)
            yield Stage(
                database=database,
                events=length,
                live_us=1e6 * live["seconds"] / live["events"],
                last_slice_us=live["last_slice_us"],
                single_ms=single,
                replay_us=1e6 * replayed["seconds"] / replayed["events"],
                reading_us=1e6 * replayed["reading_seconds"] / replayed["events"],
                replay_mb=replayed["peak_mb"],
            )
            there, length = length, 10 * length


@click.command()
@click.option("--most", default=100_000, show_default=True, type=click.IntRange(FIRST))
@click.option(
    "--on", "databases", multiple=True, type=click.Choice(list(_HOUSES)), default=list(_HOUSES)
)
@click.option("--json", "as_json", is_flag=True)
def main(*, most: int, databases: tuple[str, ...], as_json: bool) -> None:
    """Print the table stage by stage, or the same as JSON."""
    if not as_json:
        click.echo(
            "| database | events | live, µs an event | last slice | one event alone, ms "
            "| replay, µs an event | of it reading | replay's peak, MB |\n|---|---|---|---|---|---|---|---|"
        )
    done = []
    for database in databases:
        for stage in stages(database=database, most=most):
            done.append(asdict(stage))
            if not as_json:
                click.echo(
                    f"| {stage.database} | {stage.events:,} | {stage.live_us:.1f} "
                    f"| {stage.last_slice_us:.1f} | {stage.single_ms:.1f} | {stage.replay_us:.1f} "
                    f"| {stage.reading_us:.1f} | {stage.replay_mb:.0f} |"
                )
    if as_json:
        click.echo(json.dumps(done, indent=2))


if __name__ == "__main__":
    main()
