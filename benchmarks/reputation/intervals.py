"""Do 90% intervals of prompt trust hold 90% in the simulated market, however much was measured?

Run from the repository root: python -m benchmarks.reputation.intervals [--seeds 12] [--json]
"""

from __future__ import annotations

import json

import click
import numpy as np

from mintmark.scoring.reputation_constants import ReputationPolicy
from mintmark.simulation import simulated_market

# Every prompt has one run at least, so a mean of zero means one run each.
MEAN_RUNS = {"1": 0.0, "about 1.4": 1.0, "3": 3.0, "10": 10.0, "30": 30.0, "100": 100.0}


def coverage(*, mean_runs: float, with_ratings: bool, seeds: int) -> float:
    """Share of prompts whose true quality lies in the interval."""
    inside = []
    for seed in range(seeds):
        played = simulated_market.play(
            policy=ReputationPolicy(),
            rng=np.random.default_rng([seed, 7]),
            mean_runs=mean_runs,
            with_ratings=with_ratings,
        )
        read = simulated_market.compute_scores(played)
        inside.append((read.low <= played.quality) & (played.quality <= read.high))
    return float(np.mean(inside))


@click.command()
@click.option("--seeds", default=12, show_default=True, type=click.IntRange(1, 1000))
@click.option("--json", "as_json", is_flag=True)
def main(*, seeds: int, as_json: bool) -> None:
    """Print the table, or the same as JSON."""
    rows = {
        runs: {
            "with ratings": coverage(mean_runs=mean, with_ratings=True, seeds=seeds),
            "without": coverage(mean_runs=mean, with_ratings=False, seeds=seeds),
        }
        for runs, mean in MEAN_RUNS.items()
    }
    if as_json:
        click.echo(json.dumps({"seeds": seeds, "rows": rows}, indent=2))
        return
    click.echo("| runs a prompt | covers, with ratings | without |\n|---|---|---|")
    for runs, row in rows.items():
        click.echo(f"| {runs} | {row['with ratings']:.3f} | {row['without']:.3f} |")


if __name__ == "__main__":
    main()
