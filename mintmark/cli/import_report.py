"""What `mintmark import` says when it is done, whatever it read."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from . import exit_codes, output

if TYPE_CHECKING:
    from mintmark.integrations.import_report import ClauseRemarks, ImportReport

_SHOWN = 10
dry_run_option = click.option(
    "--dry-run",
    is_flag=True,
    help="Run the whole import, roll it back, and report what it would do.",
)


def score_options[Command: Callable[..., Any]](command: Command) -> Command:
    """Add what somebody can say of the names of scores: `scores` and `ignored`."""
    command = click.option(
        "--ignore", "ignored", multiple=True, metavar="NAME", help="A score to leave out."
    )(command)
    return click.option(
        "--score",
        "scores",
        multiple=True,
        metavar="NAME=MEANING",
        help="What a score's name means: its ends, WORST..BEST, or WORD:SCORE,WORD:SCORE.",
    )(command)


def finish_import(report: "ImportReport", *, context: click.Context, as_json: bool) -> None:
    """Update scores from what came in, print the report, and end with 1 where something was refused."""
    folded = 0 if report.dry_run else _project_events()
    if as_json:
        output.print_json(report.as_json())
    else:
        _print_report(report)
        if folded:
            output.print_message(f"{folded:,} events turned into scores.")
    if report.refused:
        context.exit(exit_codes.PROBLEM)


def _project_events() -> int:
    """On PostgreSQL, update scores from what was recorded, in case no worker runs."""
    from django.db import connection

    from mintmark.projection import projector

    if connection.vendor == "sqlite":
        return 0
    output.print_step("folding")
    return projector.project_pending(now=datetime.now(UTC))


def _print_report(report: "ImportReport") -> None:
    read = ", ".join(
        f"{count:,} {name.replace('_', ' ')}" for name, count in report.read.items() if count
    )
    output.print_message(f"Read {report.source}: {read}.")
    would = "would be " if report.dry_run else ""
    output.print_message(
        f"Prompts: {report.registered:,} {would}registered, {report.unchanged:,} there already."
    )
    if report.recorded or report.repeated:
        output.print_message(
            f"Evidence: {report.recorded:,} events {would}recorded, "
            f"{report.repeated:,} there already."
        )
    if report.unmapped:
        names = ", ".join(
            f"{output.escape_unprintable(name)} ({count:,})"
            for name, count in sorted(report.unmapped.items())
        )
        output.print_message(f"Scores of unknown meaning, which are no evidence: {names}.")
    for reason, count in report.left_out.items():
        output.print_message(f"Left out: {count:,} times {reason}.")
    for note in report.notes:
        output.print_message(note)
    if report.clauses is not None and report.clauses.checked:
        _print_clauses(report.clauses)
    if report.gone:
        output.print_message(f"{len(report.gone):,} that came in before are there no more:")
        output.print_rows(report.gone)
    if not report.has_changes and not report.gone:
        output.print_message("Nothing changed." if not report.dry_run else "Nothing would change.")
    elif report.dry_run:
        output.print_message("A dry run: nothing was stored.")
    if report.refused:
        click.echo(f"! {len(report.refused)} refused:", err=True)
        output.print_rows(report.refused)


def _print_clauses(clauses: "ClauseRemarks") -> None:
    broken = Counter((remark.clause, remark.severity) for remark in clauses.remarks)
    summary = ", ".join(
        f"{count:,} do not keep {clause} ({'blocks' if severity == 'block' else 'warns'})"
        for (clause, severity), count in broken.most_common()
    )
    output.print_message(
        f"Codex {clauses.codex}: {clauses.checked:,} texts checked; {summary or 'all keep it'}."
    )
    blocking = [remark for remark in clauses.remarks if remark.severity == "block"]
    for remark in blocking[:_SHOWN]:
        output.print_message(
            f"  line {remark.line}, {remark.prompt}: {remark.message}: {remark.excerpt}"
        )
    if len(blocking) > _SHOWN:
        output.print_message(f"  and {len(blocking) - _SHOWN:,} more; --json has all of them.")
