"""`mintmark import dotprompt`, `prompty`, `skills`: prompts that are kept as files."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import import_reports, installation, output

if TYPE_CHECKING:
    from mintmark.importers.prompt_files import Format

type Command = Callable[..., Any]


def _takes_files(command: Command) -> Command:
    """The argument and options that each of these commands has."""
    for option in reversed(
        (
            click.argument("path", type=click.Path(path_type=Path)),
            click.option("--namespace", default="", help="Of the lines. [default: the kind]"),
            click.option("--team", default="", help="To whom they belong. [default: the kind]"),
            click.option("--open", "is_open", is_flag=True, help="Let everybody read the texts."),
            click.option("--strict", is_flag=True, help="Store nothing if a file is refused."),
            import_reports.dry_run_option,
            output.json_option,
            click.pass_context,
        )
    ):
        command = option(command)
    return command


@click.command()
@_takes_files
def dotprompt(context: click.Context, **options: Any) -> None:
    """.prompt files (dotprompt): PATH is one, or a folder with them at any depth."""
    installation.open_database()
    from mintmark.importers import dotprompt as importer

    _load(importer.FORMAT, context=context, **options)


@click.command()
@_takes_files
def prompty(context: click.Context, **options: Any) -> None:
    """.prompty files: PATH is one, or a folder with them at any depth."""
    installation.open_database()
    from mintmark.importers import prompty as importer

    _load(importer.FORMAT, context=context, **options)


@click.command()
@_takes_files
def skills(context: click.Context, **options: Any) -> None:
    """Skills: PATH is a SKILL.md, or a folder with folders of skills at any depth."""
    installation.open_database()
    from mintmark.importers import skills as importer

    _load(importer.FORMAT, context=context, **options)


def _load(
    format: "Format",
    *,
    context: click.Context,
    path: Path,
    namespace: str,
    team: str,
    is_open: bool,
    strict: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    from mintmark.importers import prompt_files, prompt_lines

    from . import console

    folder = prompt_files.read_all(path=path, format=format)
    with output.progress("prompts") as progress:
        report = prompt_lines.load(
            folder=folder,
            format=format,
            caller=console.caller(),
            namespace=namespace,
            team=team,
            is_open=is_open,
            strict=strict,
            dry_run=dry_run,
            progress=progress,
        )
    import_reports.finish(report, context=context, as_json=as_json)
