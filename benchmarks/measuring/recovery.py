"""Do volatility, mutation bias and gains recover what they were simulated from? Bias and coverage over 200 seeds.

Run from the repository root: python -m benchmarks.measuring.recovery [--seeds 200] [--json]
"""

from __future__ import annotations

import json
from typing import Any

import click
import numpy as np

from mintmark.scoring import pair_measures, pair_model
from mintmark.scoring.pair_model import Floats
from tests.scoring import test_recovery as simulated


def _told(estimates: Floats, promised: float) -> dict[str, float]:
    return {
        "promised": promised,
        "mean": float(estimates.mean()),
        "sd": float(estimates.std(ddof=1)),
        "error_of_mean": float(estimates.std(ddof=1)) / len(estimates) ** 0.5,
    }


def volatility(*, seeds: int) -> dict[str, Any]:
    """Read volatility, level known and as the pair model expects it; and its square before shrinking, level known."""
    found: dict[str, Any] = {}
    for spread in (0.0, 0.1, 0.2):
        for replays, runs in ((20, 20), (100, 5), (100, 20)):
            rows = {
                known: np.array(
                    [
                        simulated.dreams(s, spread=spread, replays=replays, runs=runs, known=known)
                        for s in range(seeds)
                    ]
                )
                for known in (True, False)
            }
            seen = spread * (1.0 - 1.0 / runs) ** 0.5
            found[f"{spread} in {replays} replays of {runs} runs"] = {
                "variance, level known": _told(rows[True][:, 1], seen**2),
                "volatility, level known": _told(rows[True][:, 0], seen),
                "volatility, level from the pair model": _told(rows[False][:, 0], seen),
            }
    return found


def doubt_taken_off(seed: int, *, spread: float, replays: int, runs: int, others: int) -> float:
    """Volatility as it would be read if the pair model's own doubt were taken off as noise is, after one plain run of
    100 and `others` prompts measured before: p̄(1−p̄)(1−κ)(1−1/n), the variance of a score whose logit has variance S,
    κ = 1/√(1+πS/8) (MacKay 1992)."""
    rng = np.random.default_rng(seed)
    before = np.clip(0.65 + 0.1 * rng.standard_normal(others), 0.02, 0.98)
    frames = 0.65 + spread * rng.choice([-1.0, 1.0], replays)
    many = np.concatenate([np.full(others + 1, 100.0), np.full(replays, float(runs))])
    chance = np.concatenate([before, [0.65], frames])
    score = rng.binomial(many.astype(int), chance) / many
    prompt = np.array([*range(1, others + 1), *([0] * (replays + 1))], dtype=np.int64)
    zero = np.zeros(many.size, dtype=np.int64)
    state = pair_model.PairState.create_initial(
        policy=simulated.POLICY, assistants=1, rituals=1, assistant_rituals=1, prompts=others + 1,
        pairs=others + 1, reads_text=False,
    )  # fmt: skip
    events = pair_model.PairEvents(
        assistant=zero, ritual=zero, assistant_ritual=zero, prompt=prompt, pair=prompt,
        features=np.full((others + 1, 1), np.nan), score=score, runs=many, at_days=np.zeros(many.size),
    )  # fmt: skip
    told = pair_model.fold(simulated.POLICY, state, events)
    expected, sd = told.expected[others + 1 :], told.logit_sd[others + 1 :]
    binary = expected * (1.0 - expected)
    doubt = binary * (1.0 - 1.0 / np.sqrt(1.0 + np.pi * sd**2 / 8.0)) * (1.0 - 1.0 / runs)
    weight = runs / (1.0 + (runs - 1.0) * pair_measures.FRAME_CORRELATION)
    excess = weight * ((score[others + 1 :] - expected) ** 2 - binary / runs - doubt)
    return float(
        max(0.0, excess.sum() / (weight * replays + pair_measures.VOLATILITY_WEIGHT)) ** 0.5
    )


def without_doubt(*, seeds: int) -> dict[str, Any]:
    """Volatility with the model's doubt taken off, which is not done: an assistant with a record, and one without."""
    return {
        f"{spread} in {replays} replays of {runs} runs, {others} prompts before": {
            "doubt taken off": _told(
                np.array(
                    [
                        doubt_taken_off(s, spread=spread, replays=replays, runs=runs, others=others)
                        for s in range(seeds)
                    ]
                ),
                spread * (1.0 - 1.0 / runs) ** 0.5,
            )
        }
        for others in (20, 0)
        for spread in (0.0, 0.1, 0.2)
        for replays, runs in ((20, 20), (100, 5), (100, 20))
    }


def mutation(*, seeds: int) -> dict[str, Any]:
    """Read mutation bias after 10 comparisons of 20 runs, baseline known and from the pair model."""
    return {
        f"{gain:+.2f}": {
            name: _told(
                np.array(
                    [simulated.drift(s, gain=gain, runs=20, known=known) for s in range(seeds)]
                ),
                gain * 100.0 / 120.0,
            )
            for name, known in (("baseline known", True), ("baseline from the pair model", False))
        }
        for gain in (-0.2, 0.0, 0.15)
    }


def gains(*, seeds: int) -> dict[str, Any]:
    """Error of the gain and coverage of its 90% interval."""
    found: dict[str, Any] = {}
    for parent in (0.5, 0.95):
        for apart in (0.0, 0.1):
            for assistants, runs in ((1, 20), (1, 100), (3, 10), (16, 20)):
                value, low, high, truth = np.array(
                    [
                        simulated.gained(
                            s, assistants=assistants, runs=runs, parent=parent, apart=apart
                        )
                        for s in range(seeds)
                    ]
                ).T
                found[f"parent {parent}, gains ±{apart}, {assistants} assistants, {runs} runs"] = (
                    _told(value - truth, 0.0)
                    | {"covers": float(np.mean((low <= truth) & (truth <= high)))}
                )
    return found


@click.command()
@click.option("--seeds", default=200, show_default=True, type=click.IntRange(10, 100_000))
@click.option("--json", "as_json", is_flag=True)
def main(*, seeds: int, as_json: bool) -> None:
    """Print the figures line by line, or as JSON."""
    found = {
        "seeds": seeds,
        "volatility": volatility(seeds=seeds),
        "volatility, doubt taken off": without_doubt(seeds=seeds),
        "mutation bias": mutation(seeds=seeds),
        "gains": gains(seeds=seeds),
    }
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for measure in ("volatility", "volatility, doubt taken off", "mutation bias"):
        for case, rows in found[measure].items():  # type: ignore[attr-defined]
            for name, row in rows.items():
                click.echo(
                    f"{measure} {case}, {name}: promised {row['promised']:.4f}, "
                    f"mean {row['mean']:.4f} ± {row['error_of_mean']:.4f}, sd {row['sd']:.4f}"
                )
    for case, row in found["gains"].items():  # type: ignore[attr-defined]
        click.echo(
            f"gain, {case}: error {row['mean']:+.4f} ± {row['error_of_mean']:.4f}, covers {row['covers']:.3f}"
        )


if __name__ == "__main__":
    main()
