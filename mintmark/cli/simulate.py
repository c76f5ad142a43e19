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
@click.option(
    "--kind",
    type=click.Choice(["opinion", "claims"]),
    default="opinion",
    show_default=True,
    help="Colluding raters, or teams that report false outcomes.",
)
@click.option("--attack", "names", multiple=True, help="One attack of claims; repeat for several.")
@click.option(
    "--lying",
    type=click.FloatRange(0.0, 0.95, min_open=True),
    help="Share of teams that lie, one at least; by default half of them, and then one team.",
)
@click.option(
    "--audited",
    type=click.FloatRange(0.0, 1.0),
    help="Share of claimed runs that is run again; 0.02 by default.",
)
@output.json_option
def attack(
    *,
    seeds: int,
    kind: str,
    names: tuple[str, ...],
    lying: float | None,
    audited: float | None,
    as_json: bool,
) -> None:
    """How far do colluding raters, or teams that report false outcomes, move a score?

    Of raters it is told too whether an edit washes off a bad record."""
    from mintmark.scoring.reputation_constants import ReputationPolicy

    if kind == "claims":
        _attack_claims(seeds=seeds, names=names, lying=lying, audited=audited, as_json=as_json)
        return
    if names or lying is not None or audited is not None:
        raise click.UsageError("--attack, --lying and --audited are for claims: add --kind claims.")
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


def _attack_claims(
    *,
    seeds: int,
    names: tuple[str, ...],
    lying: float | None,
    audited: float | None,
    as_json: bool,
) -> None:
    from mintmark.scoring import audit_choice
    from mintmark.scoring.reputation_constants import ReputationPolicy
    from mintmark.simulation import claim_attacks

    for name in names:
        if name not in claim_attacks.ATTACKS:
            known = ", ".join(claim_attacks.ATTACKS)
            raise click.UsageError(f"--attack is {name!r}, which is none of them: {known}.")
    teams = claim_attacks.TEAMS
    report = claim_attacks.simulate(
        policy=ReputationPolicy(),
        seeds=seeds,
        attacks=names or claim_attacks.ATTACKS,
        liars=(teams // 2, 1) if lying is None else (max(1, round(lying * teams)),),
        audited=audit_choice.DEFAULT_SHARE if audited is None else audited,
        progress=lambda step: click.echo(step, err=True),
    )
    if as_json:
        output.print_json(dataclasses.asdict(report))
        return
    from . import attack_tables

    attack_tables.print_claim_report(report)


def build_document(report: AttackReport) -> dict[str, object]:
    """The report as JSON holds it."""
    plain = dataclasses.asdict(report)
    for name in ("displacements", "chosen_votes"):
        for row, measured in zip(plain[name], getattr(report, name), strict=True):
            row["attack"]["goal"] = measured.attack.goal
    return plain
