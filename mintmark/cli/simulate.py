"""`mintmark simulate`: play a simulated market into the real scoring code. Needs no database."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

from . import output

# The simulation is imported when there is something to play: `--help` needs none of it (benchmarks/startup).
if TYPE_CHECKING:
    from mintmark.simulation.attacks import AttackReport


@click.group()
def simulate() -> None:
    """Play a simulated market into the real scoring code."""


@simulate.command()
@click.option(
    "--seeds", default=12, show_default=True, type=click.IntRange(1, 1000), help="Markets to play."
)
@output.json_option
def attack(*, seeds: int, as_json: bool) -> None:
    """How far do colluding raters move a score, and does an edit wash off a bad record?"""
    from mintmark.scoring.reputation_constants import ReputationPolicy
    from mintmark.simulation import attacks

    report = attacks.simulate(
        policy=ReputationPolicy(),
        seeds=seeds,
        progress=lambda step: click.echo(step, err=True),
    )
    if as_json:
        output.print_json(build_document(report))
        return
    from . import attack_tables

    attack_tables.print_report(report)


def build_document(report: AttackReport) -> dict[str, object]:
    """The report as JSON holds it."""
    plain = dataclasses.asdict(report)
    for name in ("displacements", "chosen_votes"):
        for row, measured in zip(plain[name], getattr(report, name), strict=True):
            row["attack"]["goal"] = measured.attack.goal
    return plain
