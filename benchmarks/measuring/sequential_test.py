"""Comparisons that are watched: false alarms, pairs needed beside a fixed-size test, what allocation saves.

Run from the repository root: python -m benchmarks.measuring.sequential_test [--comparisons 2000] [--json]
"""

from __future__ import annotations

import json
from typing import Any

import click
import numpy as np
from scipy import stats

from mintmark.experiments import decision, sequential_test
from mintmark.experiments.decision import Decision
from tests.experiments.comparisons import (
    FEW_POINTS,
    Graded,
    Prompts,
    Watched,
    drawn_by_weight,
    watch,
)

CASES = 20
HALF = np.full(CASES, 0.5)
MOST_NULL = 1_000
MOST = 4_000


def nulls() -> dict[str, Prompts]:
    """Pairs of prompts that are equal in the mean."""
    halves = np.repeat([1.0, 0.0], CASES // 2)
    wide = np.linspace(0.05, 0.95, CASES)
    loser = np.where(np.arange(CASES) == 0, 1.0, 0.5 - 1.0 / (CASES - 1))
    return {
        "coins": Prompts(HALF, HALF),
        "cases from easy to hard": Prompts(wide, wide),
        "opposite on every case": Prompts(wide, wide[::-1]),
        "each case decided for one of them": Prompts(halves, 1.0 - halves),
        "one case against nineteen": Prompts(np.where(np.arange(CASES) == 0, 0.0, 0.5), loser),
        "skewed scores": Graded(HALF, HALF),
    }


def pairs_of_prompts() -> dict[str, Prompts]:
    """Pairs of prompts of which the first does better."""
    rng = np.random.default_rng(1)
    level = rng.beta(0.6, 0.6, CASES)
    few, few_only = (np.arange(CASES) < CASES // share for share in (5, 10))
    return {
        "10 points on every case": Prompts(HALF + 0.1, HALF),
        "5 points on every case": Prompts(HALF + 0.05, HALF),
        "10 points, cases from easy to hard": Prompts(np.clip(level + 0.1, 0, 1), level),
        "4 points, by case ±30": Prompts(
            np.clip(level + rng.normal(0.08, 0.3, CASES), 0, 1), level
        ),
        "50 points on a fifth, else always right": Prompts(
            np.where(few, 0.75, 1.0), np.where(few, 0.25, 1.0)
        ),
        "30 points on a tenth, else always right": Prompts(
            np.where(few_only, 0.65, 1.0), np.where(few_only, 0.35, 1.0)
        ),
        "40 points on every case": Prompts(HALF + 0.2, HALF - 0.2),
    }


def alarms(prompts: Prompts, *, comparisons: int, passes: int) -> dict[str, Any]:
    """The share of false alarms within `MOST_NULL` pairs, looked at after each, and its exact 99% bound."""
    watched = watch(
        prompts,
        comparisons=comparisons,
        most=MOST_NULL,
        passes=passes,
        rng=np.random.default_rng([comparisons, passes]),
    )
    wrong = int((watched.decision < 2).sum())
    bound = float(stats.beta.ppf(0.99, wrong + 1, comparisons - wrong))
    return {"false_alarms": wrong / comparisons, "at_most": bound}


def fixed(prompts: Prompts, *, power: float, variance: float) -> float:
    """Pairs of the two-sided 5% z-test of a mean with this power."""
    z = stats.norm.ppf(0.975) + stats.norm.ppf(power)
    return float(z * z * variance / prompts.difference**2)


def needed(prompts: Prompts, *, comparisons: int) -> dict[str, Any]:
    """Mean pairs of each way to run a comparison, and of fixed-size tests of the power that drawing had."""

    def run(**how: Any) -> Watched:
        rng = np.random.default_rng(comparisons)
        return watch(prompts, comparisons=comparisons, most=MOST, rng=rng, **how)

    drawn = run(passes=1)
    # A share of 1 is no power to plan with: half a comparison is counted as missed.
    power = min(drawn.share(Decision.FIRST), 1.0 - 0.5 / comparisons)
    with drawn_by_weight():
        uniform = run(passes=1)
    ways = {
        "drawn": drawn,
        "uniform": uniform,
        "in_tens": run(passes=1, at_once=10),
        "whole_passes": run(passes=MOST),
    }
    within = float(prompts.within.mean())
    return {
        "power": power,
        **{name: float(np.minimum(way.pairs, MOST).mean()) for name, way in ways.items()},
        "nine_in_ten_by": float(np.quantile(np.minimum(drawn.pairs, MOST), 0.9)),
        "fixed": fixed(prompts, power=power, variance=prompts.variance),
        "fixed_stratified": fixed(prompts, power=power, variance=within),
        "fixed_90": fixed(prompts, power=0.9, variance=prompts.variance),
    }


def foretold(*, comparisons: int, after: int = 40) -> dict[str, Any]:
    """Pairs in all as forecast after 40 of them, and as they came, of two prompts that differ by 10 points."""
    prompts, rng = pairs_of_prompts()["10 points on every case"], np.random.default_rng(comparisons)
    ahead, came = [], []
    for _ in range(comparisons):
        state = sequential_test.start(weights=np.ones(CASES), points=FEW_POINTS)
        told, pairs, forecast = decision.evaluate(state), 0, None
        while told.decision not in (Decision.FIRST, Decision.SECOND) and pairs < MOST:
            draws = sequential_test.draw(state, pairs=2, rng=rng)
            state = sequential_test.update(
                state, draws=draws, differences=prompts.run(draws.case, rng)
            )
            pairs += 2
            if pairs >= after and (pairs == after or pairs % 10 == 0):
                told = decision.evaluate(state)
            if pairs == after:
                forecast = np.inf if told.until_better is None else after + told.until_better
        if forecast is not None and pairs > after:
            ahead.append(forecast)
            came.append(pairs)
    ratio = np.array(ahead) / np.array(came)
    return {
        "asked": len(came),
        "median_forecast": float(np.median(ahead)),
        "median_truth": float(np.median(came)),
        "forecast_by_truth": {
            str(level): float(np.quantile(ratio, level, method="lower"))
            for level in (0.1, 0.25, 0.5, 0.75, 0.9)
        },
    }


@click.command()
@click.option("--comparisons", default=400, show_default=True, type=click.IntRange(20, 100_000))
@click.option(
    "--nulls", "null_comparisons", default=2_000, show_default=True, type=click.IntRange(20)
)
@click.option("--json", "as_json", is_flag=True)
def main(*, comparisons: int, null_comparisons: int, as_json: bool) -> None:
    """Print two tables, or the same as JSON."""
    found: dict[str, Any] = {"alpha": sequential_test.ALPHA, "equal": {}, "better": {}}
    for name, prompts in nulls().items():
        found["equal"][name] = {
            "after one pass": alarms(prompts, comparisons=null_comparisons, passes=1),
            "whole passes": alarms(prompts, comparisons=null_comparisons, passes=MOST_NULL),
        }
    for name, prompts in pairs_of_prompts().items():
        found["better"][name] = needed(prompts, comparisons=comparisons)
    found["forecast"] = foretold(comparisons=min(200, comparisons))
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    click.echo("| equal prompts | false alarms, drawn (99% bound) | whole passes |\n|---|---|---|")
    for name, rows in found["equal"].items():
        cells = [f"{r['false_alarms']:.4f} ({r['at_most']:.4f})" for r in rows.values()]
        click.echo(f"| {name} | {' | '.join(cells)} |")
    columns = list(next(iter(found["better"].values())))
    click.echo(f"\n| first is better by | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}")
    for name, row in found["better"].items():
        cells = [f"{row[c]:.4f}" if c == "power" else f"{row[c]:.0f}" for c in columns]
        click.echo(f"| {name} | {' | '.join(cells)} |")
    told = found["forecast"]
    levels = ", ".join(f"{value:.1f}" for value in told["forecast_by_truth"].values())
    click.echo(
        f"\nAfter 40 pairs: median forecast {told['median_forecast']:.0f}, truth {told['median_truth']:.0f}; "
        f"forecast/truth at 10, 25, 50, 75, 90%: {levels}"
    )


if __name__ == "__main__":
    main()
