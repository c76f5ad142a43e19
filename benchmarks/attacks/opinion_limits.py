"""What each limit on opinion costs and what it buys, in the market of `mintmark simulate attack`.

Run from the repository root: python -m benchmarks.attacks.opinion_limits [--seeds 12] [--json]
"""

from __future__ import annotations

import json

import click
import numpy as np

from mintmark.scoring.reputation_constants import ReputationPolicy
from mintmark.simulation import attacks, simulated_market

UNLIMITED = 1e9
POLICIES = {
    "cap alone, ρ = 0.25": ReputationPolicy(opinion_tolerance=UNLIMITED),
    "cap alone, ρ = 0.12": ReputationPolicy(opinion_tolerance=UNLIMITED, opinion_share=0.12),
    "ρ = 0.25, tolerance 2.0": ReputationPolicy(opinion_tolerance=2.0),
    "ρ = 0.25, tolerance 1.0": ReputationPolicy(opinion_tolerance=1.0),
    "ρ = 0.25, tolerance 0.6 (default)": ReputationPolicy(),
    "ρ = 0.25, tolerance 0.4": ReputationPolicy(opinion_tolerance=0.4),
    "ρ = 0.25, tolerance 0.2": ReputationPolicy(opinion_tolerance=0.2),
    "ρ = 0.50, tolerance 0.6": ReputationPolicy(opinion_share=0.5),
    "no opinion at all": ReputationPolicy(opinion_share=0.0),
}


def measure(policy: ReputationPolicy, *, seeds: int) -> dict[str, float]:
    """Mean displacement by the strongest attack each way, and errors without attack."""
    result = {}
    for quality, vote in ((attacks.PROMOTED, 1.0), (attacks.SLANDERED, 0.0)):
        plan = attacks.Attack(
            target_quality=quality,
            vote=vote,
            share=1.0,
            camouflage=attacks.CAMOUFLAGE,
            spread=True,
        )
        moved = []
        for seed in range(seeds):
            rng = np.random.default_rng([seed, round(100 * quality)])
            peaceful = simulated_market.play(policy=policy, rng=rng, target_quality=quality)
            struck = attacks.run_attack(peaceful, plan, rng=rng)
            target = simulated_market.TARGET
            before = simulated_market.compute_scores(peaceful).trust_score[target]
            moved.append(simulated_market.compute_scores(struck).trust_score[target] - before)
        result[plan.goal] = float(np.mean(moved))
    for runs in (1.0, 3.0, 10.0):
        off = []
        for seed in range(seeds):
            rng = np.random.default_rng([seed, 2])
            played = simulated_market.play(policy=policy, rng=rng, mean_runs=runs)
            trust = simulated_market.compute_scores(played).trust_score
            off.append(float(np.abs(trust - played.quality).mean()))
        result[f"error_{runs:g}_runs"] = float(np.mean(off))
    return result


@click.command()
@click.option("--seeds", default=12, show_default=True, type=click.IntRange(1, 1000))
@click.option("--json", "as_json", is_flag=True)
def main(*, seeds: int, as_json: bool) -> None:
    """Print the table, or the same as JSON."""
    rows = {}
    for name, policy in POLICIES.items():
        click.echo(name, err=True)
        rows[name] = measure(policy, seeds=seeds)
    if as_json:
        click.echo(json.dumps({"seeds": seeds, "rows": rows}, ensure_ascii=False, indent=2))
        return
    names = list(next(iter(rows.values())))
    click.echo(f"| limits on opinion | {' | '.join(names)} |")
    click.echo("|---|" + "---|" * len(names))
    for name, row in rows.items():
        click.echo(f"| {name} | " + " | ".join(f"{row[n]:+.3f}" for n in names) + " |")


if __name__ == "__main__":
    main()
