"""`mintmark export`."""

import click

from . import exits, export_tables, installation, output


@click.group()
def exports() -> None:
    """Hand out prompts and what was measured of them."""


@exports.command()
@click.argument("store")
@click.option("--namespace", required=True, help="Whose lines to write.")
@click.option("--experiment", default="mintmark", show_default=True, help="Where feedback goes.")
@click.option("--no-feedback", is_flag=True, help="Write prompts and aliases alone.")
@output.json_option
@click.pass_context
def mlflow(
    context: click.Context,
    *,
    store: str,
    namespace: str,
    experiment: str,
    no_feedback: bool,
    as_json: bool,
) -> None:
    """Prompts, labels and outcomes into MLflow: STORE is its SQLite file, made if it is not there, or an address."""
    installation.open_database()
    from mintmark.importers import mlflow_export

    output.step("opening MLflow's store")
    with output.progress("versions") as progress:
        sent = mlflow_export.send(
            store=store,
            namespace=namespace,
            with_feedback=not no_feedback,
            experiment=experiment,
            progress=progress,
        )
    if as_json:
        output.print_json(sent.as_json())
    else:
        output.say(f"Versions: {sent.versions:,} registered, {sent.unchanged:,} there already.")
        output.say(f"Aliases: {sent.aliases:,} set.")
        output.say(f"Feedback: {sent.feedback:,} logged, {sent.repeated:,} there already.")
        if sent.refused:
            click.echo(f"! {len(sent.refused)} refused:", err=True)
            output.print_rows(sent.refused)
    if sent.refused:
        context.exit(exits.PROBLEM)


for _one in (export_tables.evidence, export_tables.scores):
    exports.add_command(_one)
