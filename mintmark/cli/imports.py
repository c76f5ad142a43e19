"""`mintmark import`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import exits, installation, output

if TYPE_CHECKING:
    from mintmark.importers.reports import Report

_dry_run = click.option(
    "--dry-run", is_flag=True, help="Do all of it, take it back, and report what it would do."
)


@click.group()
def imports() -> None:
    """Bring in prompts and evidence from files."""


@imports.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--measured-on",
    type=click.DateTime(formats=["%Y-%m-%d"]),
    help="Date the evidence; the files carry none. [default: the moment of the first import]",
)
@_dry_run
@output.json_option
@click.pass_context
def multiprompt(
    context: click.Context,
    *,
    folder: Path,
    measured_on: datetime | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """The multi-prompt evaluation corpus: FOLDER holds BBH/*.json, LMentry/*.json.

    Nothing is stored unless every file in the folder can be read and used.
    """
    installation.open_database()
    from mintmark.importers import multiprompt as importer
    from mintmark.importers import paraphrases

    from . import console

    corpus = paraphrases.read(folder=folder)
    with output.progress("paraphrases") as progress:
        report = importer.load(
            corpus=corpus,
            source=str(folder),
            caller=console.caller(),
            now=datetime.now(UTC),
            measured_at=measured_on.replace(tzinfo=UTC) if measured_on else None,
            dry_run=dry_run,
            progress=progress,
        )
    _finish(report, context=context, as_json=as_json)


@imports.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--strict", is_flag=True, help="Store nothing if a single row is refused.")
@_dry_run
@output.json_option
@click.pass_context
def prompts_csv(
    context: click.Context, *, file: Path, strict: bool, dry_run: bool, as_json: bool
) -> None:
    """The list of prompts.chat: FILE has the columns act, prompt, for_devs, type.

    Rows that can't be prompts are left out and listed with their reason; the exit code is then 1.
    """
    installation.open_database()
    from mintmark.importers import prompt_table
    from mintmark.importers import prompts_csv as importer

    from . import console

    table = prompt_table.read(file=file)
    with output.progress("prompts") as progress:
        report = importer.load(
            table=table,
            source=str(file),
            caller=console.caller(),
            strict=strict,
            dry_run=dry_run,
            progress=progress,
        )
    _finish(report, context=context, as_json=as_json)


def _finish(report: "Report", *, context: click.Context, as_json: bool) -> None:
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
    if not report.changed:
        output.say("Nothing changed." if not report.dry_run else "Nothing would change.")
    elif report.dry_run:
        output.say("A dry run: nothing was stored.")
    if report.refused:
        click.echo(f"! {len(report.refused)} refused:", err=True)
        output.print_rows(report.refused)
