"""`mintmark export mlflow`, `export langfuse`: prompts, and what was measured of them, into other registries."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click

from mintmark.common import errors

from . import bootstrap, exit_codes, output

_team_option = click.option(
    "--team", required=True, help="For whom: only what this team may use leaves."
)
_dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Write nothing there, and report what would be written."
)


@click.command()
@click.argument("store")
@click.option("--namespace", required=True, help="Whose lines to write.")
@_team_option
@click.option("--experiment", default="mintmark", show_default=True, help="Where feedback goes.")
@click.option("--no-feedback", is_flag=True, help="Write prompts and aliases alone.")
@_dry_run_option
@output.json_option
@click.pass_context
def mlflow(
    context: click.Context,
    *,
    store: str,
    namespace: str,
    team: str,
    experiment: str,
    no_feedback: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Prompts, labels and outcomes into MLflow: STORE is its SQLite file, made if it is not there, or an address."""
    bootstrap.open_database()
    from mintmark.integrations import mlflow_export

    from . import resolve

    output.print_step("opening MLflow's store")
    with _exit_if_stopped(context), output.show_progress("sent") as progress:
        report = mlflow_export.export_namespace(
            store=store,
            namespace=namespace,
            team=resolve.resolve_team(name=team),
            with_feedback=not no_feedback,
            experiment=experiment,
            dry_run=dry_run,
            progress=progress,
        )
    if as_json:
        output.print_json(report.as_json())
    else:
        would = "would be " if dry_run else ""
        output.print_message(
            f"Versions: {report.versions:,} {would}registered, {report.unchanged:,} there already."
        )
        output.print_message(f"Aliases: {report.aliases:,} {would}set.")
        output.print_message(
            f"Feedback: {report.feedback:,} {would}logged, {report.repeated:,} there already."
        )
    _finish_export(report.refused, context=context, dry_run=dry_run, as_json=as_json)


@click.command()
@click.argument("address")
@click.option("--namespace", required=True, help="Whose lines to write.")
@_team_option
@click.option("--no-scores", is_flag=True, help="Write prompts and labels alone.")
@_dry_run_option
@output.json_option
@click.pass_context
def langfuse(
    context: click.Context,
    *,
    address: str,
    namespace: str,
    team: str,
    no_scores: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Prompts, labels and outcomes into Langfuse: ADDRESS is its server's, the keys are in the environment."""
    bootstrap.open_database()
    from mintmark.integrations import langfuse_export

    from . import resolve

    with _exit_if_stopped(context), output.show_progress("sent") as progress:
        report = langfuse_export.export_namespace(
            address=address,
            namespace=namespace,
            team=resolve.resolve_team(name=team),
            with_scores=not no_scores,
            dry_run=dry_run,
            progress=progress,
        )
    if as_json:
        output.print_json(report.as_json())
    else:
        would = "would be " if dry_run else ""
        output.print_message(
            f"Versions: {report.versions:,} {would}registered, {report.unchanged:,} there already."
        )
        output.print_message(f"Labels: {report.labels:,} {would}moved.")
        output.print_message(
            f"Scores: {report.scores:,} {would}logged, {report.repeated:,} there already."
        )
        for note in report.notes:
            output.print_message(note)
    _finish_export(report.refused, context=context, dry_run=dry_run, as_json=as_json)


@contextmanager
def _exit_if_stopped(context: click.Context) -> Iterator[None]:
    """An export that stopped on its way has done something: its exit code is not that of a wrong call."""
    from mintmark.integrations import export_common

    try:
        yield
    except export_common.ExportStopped as stopped:
        output.print_refusal(stopped, context=context)
        context.exit(exit_codes.PROBLEM)


def _finish_export(
    refused_rows: Sequence[errors.FieldError],
    *,
    context: click.Context,
    dry_run: bool,
    as_json: bool,
) -> None:
    if not as_json:
        if dry_run:
            output.print_message("A dry run: nothing was written.")
        if refused_rows:
            click.echo(f"! {len(refused_rows)} refused:", err=True)
            output.print_rows(refused_rows)
    if refused_rows:
        context.exit(exit_codes.PROBLEM)
