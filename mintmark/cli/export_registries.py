"""`mintmark export mlflow`, `export langfuse`: prompts, and what was measured of them, into other registries."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click

from mintmark.core import errors

from . import exits, installation, output

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
    installation.open_database()
    from mintmark.importers import mlflow_export

    from . import holders

    output.step("opening MLflow's store")
    with _ending_if_stopped(context), output.progress("sent") as progress:
        sent = mlflow_export.send(
            store=store,
            namespace=namespace,
            team=holders.team(name=team),
            with_feedback=not no_feedback,
            experiment=experiment,
            dry_run=dry_run,
            progress=progress,
        )
    if as_json:
        output.print_json(sent.as_json())
    else:
        would = "would be " if dry_run else ""
        output.say(
            f"Versions: {sent.versions:,} {would}registered, {sent.unchanged:,} there already."
        )
        output.say(f"Aliases: {sent.aliases:,} {would}set.")
        output.say(f"Feedback: {sent.feedback:,} {would}logged, {sent.repeated:,} there already.")
    _finish(sent.refused, context=context, dry_run=dry_run, as_json=as_json)


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
    installation.open_database()
    from mintmark.importers import langfuse_export

    from . import holders

    with _ending_if_stopped(context), output.progress("sent") as progress:
        sent = langfuse_export.send(
            address=address,
            namespace=namespace,
            team=holders.team(name=team),
            with_scores=not no_scores,
            dry_run=dry_run,
            progress=progress,
        )
    if as_json:
        output.print_json(sent.as_json())
    else:
        would = "would be " if dry_run else ""
        output.say(
            f"Versions: {sent.versions:,} {would}registered, {sent.unchanged:,} there already."
        )
        output.say(f"Labels: {sent.labels:,} {would}moved.")
        output.say(f"Scores: {sent.scores:,} {would}logged, {sent.repeated:,} there already.")
    _finish(sent.refused, context=context, dry_run=dry_run, as_json=as_json)


@contextmanager
def _ending_if_stopped(context: click.Context) -> Iterator[None]:
    """An export that stopped on its way has done something: its exit code is not that of a wrong call."""
    from mintmark.importers import departures

    try:
        yield
    except departures.Stopped as stopped:
        output.print_refusal(stopped, context=context)
        context.exit(exits.PROBLEM)


def _finish(
    refused: Sequence[errors.Row], *, context: click.Context, dry_run: bool, as_json: bool
) -> None:
    if not as_json:
        if dry_run:
            output.say("A dry run: nothing was written.")
        if refused:
            click.echo(f"! {len(refused)} refused:", err=True)
            output.print_rows(refused)
    if refused:
        context.exit(exits.PROBLEM)
