"""How far the strongest attack gets where little, or much, was measured.

Run from the repository root: python -m benchmarks.attacks.scarce_runs [--seeds 12] [--json]
"""

from __future__ import annotations

import json

import click
import numpy as np

from mintmark.scoring.reputation_constants import ReputationPolicy
from mintmark.simulation import attacks, simulated_market

# Every prompt has one run at least, so a mean of zero means one run each.
MEAN_RUNS = {"1": 0.0, "3": 3.0, "10": 10.0, "100": 100.0}


def measure(*, mean_runs: float, quality: float, vote: float, seeds: int) -> dict[str, float]:
    """Mean and largest displacement by everybody, camouflaged and spread."""
    plan = attacks.Attack(
        target_quality=quality, vote=vote, share=1.0, camouflage=attacks.CAMOUFLAGE, spread=True
    )
    moved = []
    for seed in range(seeds):
        rng = np.random.default_rng([seed, 5])
        peaceful = simulated_market.play(
            policy=ReputationPolicy(), rng=rng, target_quality=quality, mean_runs=mean_runs
        )
        struck = attacks.run_attack(peaceful, plan, rng=rng)
        before, after = (
            simulated_market.compute_scores(m).trust_score[0] for m in (peaceful, struck)
        )
        moved.append(float(after - before))
    return {"mean": float(np.mean(moved)), "largest": max(moved, key=abs)}


@click.command()
@click.option("--seeds", default=12, show_default=True, type=click.IntRange(1, 1000))
@click.option("--json", "as_json", is_flag=True)
def main(*, seeds: int, as_json: bool) -> None:
    """Print the table, or the same as JSON."""
    rows = {
        runs: {
            "promote": measure(mean_runs=mean, quality=attacks.PROMOTED, vote=1.0, seeds=seeds),
            "slander": measure(mean_runs=mean, quality=attacks.SLANDERED, vote=0.0, seeds=seeds),
        }
        for runs, mean in MEAN_RUNS.items()
    }
    if as_json:
        click.echo(json.dumps({"seeds": seeds, "rows": rows}, indent=2))
        return
    click.echo("| runs a prompt | promote 0.2 (largest) | slander 0.85 (largest) |")
    click.echo("|---|---|---|")
    for runs, row in rows.items():
        cells = [f"{row[g]['mean']:+.3f} ({row[g]['largest']:+.3f})" for g in row]
        click.echo(f"| {runs} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
