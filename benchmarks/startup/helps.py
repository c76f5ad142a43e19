"""How long does one wait for `mintmark --help` and `mintmark backtest --help`, beside `python -c pass`?

Each is a process of its own (`python -m mintmark.cli`), from its start to its end, in turn, round by round; a first
round, which may have to compile, is not counted. What counts is the ratio within a round: the machine is not quiet.
Goals: 0.3 s and 0.4 s. With --beside the same of another checkout, run by the same Python, in the same rounds.

Run from the repository root: python -m benchmarks.startup.helps [--rounds 21] [--beside FOLDER] [--json]
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[2]
BARE = "python -c pass"
GOALS = {"mintmark --help": 0.3, "mintmark backtest --help": 0.4}


def measure(*, folders: dict[str, Path], rounds: int) -> dict[str, list[float]]:
    """The seconds of every round, by what was run."""
    seconds: dict[str, list[float]] = {BARE: []}
    seconds |= {f"{command}{where}": [] for where in folders for command in GOALS}
    for n in range(rounds + 1):
        told = {BARE: _time(["-c", "pass"], folder=ROOT)}
        for where, folder in folders.items():
            for command in GOALS:
                arguments = command.split()[1:]
                told[command + where] = _time(["-m", "mintmark.cli", *arguments], folder=folder)
        if n:
            for name, elapsed in told.items():
                seconds[name].append(elapsed)
    return seconds


def _time(arguments: list[str], *, folder: Path) -> float:
    # By its path a checkout comes before the package that is installed.
    environment = os.environ | {"PYTHONPATH": str(folder)}
    begun = time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - begun


@click.command()
@click.option("--rounds", default=21, show_default=True, type=click.IntRange(1))
@click.option(
    "--beside",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Another checkout to measure in the same rounds.",
)
@click.option("--json", "as_json", is_flag=True)
def main(*, rounds: int, beside: Path | None, as_json: bool) -> None:
    """Print the table, or the same as JSON."""
    folders = {"": ROOT} | ({f" ({beside.name})": beside.resolve()} if beside else {})
    seconds = measure(folders=folders, rounds=rounds)
    if as_json:
        click.echo(json.dumps({"seconds": seconds, "goals": GOALS}, indent=2))
        return
    click.echo(f"| process | s, median of {rounds} | goal | ÷ `{BARE}` |")
    click.echo("|---|---|---|---|")
    for name, each in seconds.items():
        ratios = [one / bare for one, bare in zip(each, seconds[BARE], strict=True)]
        goal = next((str(most) for command, most in GOALS.items() if name.startswith(command)), "")
        click.echo(
            f"| `{name}` | {statistics.median(each):.3f} ({min(each):.3f} to {max(each):.3f}) | {goal} "
            f"| **{statistics.median(ratios):.1f}** ({min(ratios):.1f} to {max(ratios):.1f}) |"
        )


if __name__ == "__main__":
    main()
