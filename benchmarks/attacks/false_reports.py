"""What teams that report false outcomes move, beside believing everybody (ADR 16), in a simulated market.

Run from the repository root: python -m benchmarks.attacks.false_reports [--seeds 20] [--first-seed 100] [--json]
"""

from __future__ import annotations

import dataclasses
import json

import click

from mintmark.scoring.reputation_constants import ReputationPolicy
from mintmark.simulation import claim_attacks


@click.command()
@click.option("--seeds", default=20, show_default=True)
@click.option("--first-seed", default=100, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(*, seeds: int, first_seed: int, as_json: bool) -> None:
    """Print peace, then every attack by half of the teams and by one: mean shift of the attacked scores."""
    report = claim_attacks.simulate(
        policy=ReputationPolicy(),
        seeds=seeds,
        first_seed=first_seed,
        progress=lambda step: click.echo(f"· {step}", err=True),
    )
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(report)))
        return
    error = report.peace.error
    ratio = error["mintmark"] / error["believing everybody"]
    click.echo(
        f"nobody lies: error {error['mintmark']:.4f}, {ratio:.3f} x believing everybody; "
        f"{report.peace.honest_distrusted:.1%} of honest teams distrusted"
    )
    for row in report.attacks:
        click.echo(
            f"{row.attack:<24}{row.liars:>3} of {report.teams}  {row.mean['mintmark']:+.3f} "
            f"(95%: {row.p95['mintmark']:.3f})  believed: {row.mean['believing everybody']:+.3f}  "
            f"liars distrusted: {row.liars_distrusted:.0%}"
        )


if __name__ == "__main__":
    main()
