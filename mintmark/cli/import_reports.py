"""What `mintmark import` says when it is done, whatever it read."""

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from . import exits, output

if TYPE_CHECKING:
    from mintmark.importers.reports import Clauses, Report

_SHOWN = 10
dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Do all of it, take it back, and report what it would do."
)


def finish(report: "Report", *, context: click.Context, as_json: bool) -> None:
    """Fold what came in, print the report, and end with 1 where something was refused."""
    folded = 0 if report.dry_run else _fold()
    if as_json:
        output.print_json(report.as_json())
    else:
        _print(report)
        if folded:
            output.say(f"{folded:,} events folded into scores.")
    if report.refused:
        context.exit(exits.PROBLEM)


def _fold() -> int:
    """On PostgreSQL, fold what was recorded, for the case that no worker is at it."""
    from django.db import connection

    from mintmark.trust import projector

    if connection.vendor == "sqlite":
        return 0
    output.step("folding")
    return projector.advance(now=datetime.now(UTC))


def _print(report: "Report") -> None:
    read = ", ".join(
        f"{count:,} {name.replace('_', ' ')}" for name, count in report.read.items() if count
    )
    output.say(f"Read {report.source}: {read}.")
    would = "would be " if report.dry_run else ""
    output.say(
        f"Prompts: {report.registered:,} {would}registered, {report.unchanged:,} there already."
    )
    if report.recorded or report.repeated:
        output.say(
            f"Evidence: {report.recorded:,} events {would}recorded, "
            f"{report.repeated:,} there already."
        )
    for note in report.notes:
        output.say(note)
    if report.clauses is not None and report.clauses.checked:
        _print_clauses(report.clauses)
    if not report.changed:
        output.say("Nothing changed." if not report.dry_run else "Nothing would change.")
    elif report.dry_run:
        output.say("A dry run: nothing was stored.")
    if report.refused:
        click.echo(f"! {len(report.refused)} refused:", err=True)
        output.print_rows(report.refused)


def _print_clauses(clauses: "Clauses") -> None:
    broken = Counter((remark.clause, remark.severity) for remark in clauses.remarks)
    found = ", ".join(
        f"{count:,} do not keep {clause} ({'blocks' if severity == 'block' else 'warns'})"
        for (clause, severity), count in broken.most_common()
    )
    output.say(
        f"Codex {clauses.codex}: {clauses.checked:,} texts checked; {found or 'all keep it'}."
    )
    blocking = [remark for remark in clauses.remarks if remark.severity == "block"]
    for remark in blocking[:_SHOWN]:
        output.say(f"  line {remark.line}, {remark.prompt}: {remark.says}: {remark.excerpt}")
    if len(blocking) > _SHOWN:
        output.say(f"  and {len(blocking) - _SHOWN:,} more; --json has all of them.")
