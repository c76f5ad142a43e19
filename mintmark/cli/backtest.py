"""`mintmark backtest`: would trust have predicted *your* fleet? Needs no database and no Django."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import output

# The numbers are imported when there is something to reckon: `--help` needs none (benchmarks/startup).
if TYPE_CHECKING:
    from mintmark.scoring.backtest import BacktestMetrics, BacktestReport

TITLES = {
    "log_loss": "log loss",
    "brier": "Brier",
    "ece": "ECE",
    "auc": "AUC",
    "spearman": "Spearman",
    "rank_within": "rank within",
    "coverage_90": "90% cover",
}


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--texts",
    type=click.Path(path_type=Path),
    help="A CSV of prompt,text: turns on what reads the wording.",
)
@output.json_option
def backtest(*, file: Path, texts: Path | None, as_json: bool) -> None:
    """Predict the scores in FILE from what came before, beside plain means.

    FILE is a CSV with the columns assistant, prompt, score and, if there are any, ritual, runs,
    occurred_at (ISO 8601, or seconds since 1970) and split. With split (train or test) everything
    is learned from train and scored on test; else each row is predicted from the rows before it,
    in time order, or in the order of the file.
    """
    from mintmark.scoring import backtest as backtests

    from . import backtest_files

    output.print_message(f"reading {file.name}", as_json=True)
    outcomes = backtest_files.read_outcomes(file, texts=texts)
    try:
        report = backtests.run(
            outcomes.events,
            test=outcomes.test,
            timed=outcomes.timed,
            progress=lambda step: output.print_message(step, as_json=True),
        )
    except backtests.NothingToTest as problem:
        raise backtest_files.BadBacktestFile(f"{file.name}: {problem}") from problem
    if as_json:
        output.print_json(build_document(report))
        return
    _print_report(report)


def build_document(report: BacktestReport) -> dict[str, object]:
    """The report as JSON holds it."""
    return asdict(report)


def _print_report(report: BacktestReport) -> None:
    tables = {"all rows" if report.last_half else "test rows": report.metrics}
    if report.last_half:
        tables["last half"] = report.last_half
    for title, methods in tables.items():
        click.echo(f"{title} ({report.rows} in the file); log loss, Brier and ECE: lower is better")
        output.print_table(
            columns=("method", *TITLES.values()),
            rows=[(name, *_format_metrics(figures)) for name, figures in methods.items()],
            right=tuple(TITLES.values()),
            empty="nothing was predicted",
        )
        click.echo()


def _format_metrics(figures: BacktestMetrics) -> list[str]:
    values = [getattr(figures, name) for name in TITLES]
    return ["–" if value is None else f"{value:.4f}" for value in values]
