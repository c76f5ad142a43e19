"""`mintmark import`."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import exits, installation, output

if TYPE_CHECKING:
    from mintmark.importers.reports import Clauses, Report

_SHOWN = 10
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


@imports.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--team", default="promptfoo", show_default=True, help="To whom all of it belongs.")
@click.option("--name", default="", help="The ritual's name. [default: the file's description]")
@click.option("--tag", default="", help="The ritual's task. [default: made of its name]")
@_dry_run
@output.json_option
@click.pass_context
def promptfoo(
    context: click.Context,
    *,
    file: Path,
    team: str,
    name: str,
    tag: str,
    dry_run: bool,
    as_json: bool,
) -> None:
    """What promptfoo measured, or its tests: FILE is results.json, or YAML with tests.

    Results become prompts, assistants, a ritual and outcomes; tests become a ritual.
    """
    installation.open_database()
    from mintmark.importers import promptfoo as importer

    from . import console

    report = importer.load(
        file=file,
        caller=console.caller(),
        now=datetime.now(UTC),
        team=team,
        name=name,
        tag=tag,
        dry_run=dry_run,
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
