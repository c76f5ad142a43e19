"""`mintmark import dotprompt`, `prompty`, `skills`: prompts that are kept as files."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import bootstrap, import_report, output

if TYPE_CHECKING:
    from mintmark.integrations.file_discovery import FileFormat

type Command = Callable[..., Any]


def _add_file_options(command: Command) -> Command:
    """The argument and options that each of these commands has."""
    for option in reversed(
        (
            click.argument("path", type=click.Path(path_type=Path)),
            click.option("--namespace", default="", help="Of the lines. [default: the kind]"),
            click.option("--team", default="", help="To whom they belong. [default: the kind]"),
            click.option("--open", "is_open", is_flag=True, help="Let everybody read the texts."),
            click.option("--strict", is_flag=True, help="Store nothing if a file is refused."),
            import_report.dry_run_option,
            output.json_option,
            click.pass_context,
        )
    ):
        command = option(command)
    return command


@click.command()
@_add_file_options
def dotprompt(context: click.Context, **options: Any) -> None:
    """.prompt files (dotprompt): PATH is one, or a folder with them at any depth."""
    bootstrap.open_database()
    from mintmark.integrations import dotprompt as importer

    _load_files(importer.FORMAT, context=context, **options)


@click.command()
@_add_file_options
def prompty(context: click.Context, **options: Any) -> None:
    """.prompty files: PATH is one, or a folder with them at any depth."""
    bootstrap.open_database()
    from mintmark.integrations import prompty as importer

    _load_files(importer.FORMAT, context=context, **options)


@click.command()
@_add_file_options
def skills(context: click.Context, **options: Any) -> None:
    """Skills: PATH is a SKILL.md, or a folder with folders of skills at any depth."""
    bootstrap.open_database()
    from mintmark.integrations import skills as importer

    _load_files(importer.FORMAT, context=context, **options)


def _load_files(
    format: "FileFormat",
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
    from mintmark.integrations import file_discovery, file_import

    from . import actor

    folder = file_discovery.read_all(path=path, format=format)
    with output.show_progress("prompts") as progress:
        report = file_import.load(
            folder=folder,
            format=format,
            caller=actor.get_caller(),
            namespace=namespace,
            team=team,
            is_open=is_open,
            strict=strict,
            dry_run=dry_run,
            progress=progress,
        )
    import_report.finish_import(report, context=context, as_json=as_json)
