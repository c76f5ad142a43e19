"""`mintmark import`."""

from datetime import UTC, datetime
from pathlib import Path

import click

from . import bootstrap, import_files, import_registries, import_report, output


@click.group()
def imports() -> None:
    """Import prompts and evidence from files and registries."""


@imports.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--measured-on",
    type=click.DateTime(formats=["%Y-%m-%d"]),
    help="Date the evidence; the files carry none. [default: the moment of the first import]",
)
@import_report.dry_run_option
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
    bootstrap.open_database()
    from mintmark.integrations import multiprompt as importer
    from mintmark.integrations import multiprompt_reader

    from . import actor

    corpus = multiprompt_reader.load_corpus(folder=folder)
    with output.show_progress("paraphrases") as progress:
        report = importer.load(
            corpus=corpus,
            source=str(folder),
            caller=actor.get_caller(),
            now=datetime.now(UTC),
            measured_at=measured_on.replace(tzinfo=UTC) if measured_on else None,
            dry_run=dry_run,
            progress=progress,
        )
    import_report.finish_import(report, context=context, as_json=as_json)


@imports.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--strict", is_flag=True, help="Store nothing if a single row is refused.")
@import_report.dry_run_option
@output.json_option
@click.pass_context
def prompts_csv(
    context: click.Context, *, file: Path, strict: bool, dry_run: bool, as_json: bool
) -> None:
    """The list of prompts.chat: FILE has the columns act, prompt, for_devs, type.

    Rows that can't be prompts are left out and listed with their reason; the exit code is then 1.
    """
    bootstrap.open_database()
    from mintmark.integrations import prompts_chat as importer
    from mintmark.integrations import prompts_chat_csv

    from . import actor

    table = prompts_chat_csv.load_table(file=file)
    with output.show_progress("prompts") as progress:
        report = importer.load(
            table=table,
            source=str(file),
            caller=actor.get_caller(),
            strict=strict,
            dry_run=dry_run,
            progress=progress,
        )
    import_report.finish_import(report, context=context, as_json=as_json)


@imports.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--team", default="promptfoo", show_default=True, help="To whom all of it belongs.")
@click.option("--name", default="", help="The ritual's name. [default: the file's description]")
@click.option("--tag", default="", help="The ritual's task. [default: made of its name]")
@click.option("--strict", is_flag=True, help="Store nothing if a single row is refused.")
@import_report.dry_run_option
@output.json_option
@click.pass_context
def promptfoo(
    context: click.Context,
    *,
    file: Path,
    team: str,
    name: str,
    tag: str,
    strict: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """What promptfoo measured, or its tests: FILE is results.json, or YAML with tests.

    Results become prompts, assistants, a ritual and outcomes; tests become a ritual. Rows of results that can't be used
    are left out and listed with their reason; the exit code is then 1.
    """
    bootstrap.open_database()
    from mintmark.integrations import promptfoo as importer

    from . import actor

    with output.show_progress("prompts and pairs") as progress:
        report = importer.load(
            file=file,
            caller=actor.get_caller(),
            now=datetime.now(UTC),
            team=team,
            name=name,
            tag=tag,
            strict=strict,
            dry_run=dry_run,
            progress=progress,
        )
    import_report.finish_import(report, context=context, as_json=as_json)


for _command in (
    import_files.dotprompt,
    import_files.prompty,
    import_files.skills,
    import_registries.mlflow,
    import_registries.langfuse,
):
    imports.add_command(_command)
