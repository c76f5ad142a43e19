"""`mintmark import mlflow`, `import langfuse`: prompts that another registry keeps, with what was measured there."""

from datetime import UTC, datetime

import click

from . import import_reports, installation, output


@click.command()
@click.argument("store")
@click.option("--experiment", "experiments", multiple=True, help="Whose feedback to read. [default: all]")  # fmt: skip
@click.option("--namespace", default="mlflow", show_default=True, help="Of the lines.")
@click.option("--team", default="mlflow", show_default=True, help="To whom all of it belongs.")
@click.option("--open", "is_open", is_flag=True, help="Let everybody read the texts.")
@import_reports.dry_run_option
@output.json_option
@click.pass_context
def mlflow(
    context: click.Context,
    *,
    store: str,
    experiments: tuple[str, ...],
    namespace: str,
    team: str,
    is_open: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """MLflow's prompts, aliases and feedback: STORE is its SQLite file, or an address as MLflow takes it."""
    installation.open_database()
    from mintmark.importers import mlflow_store, registries

    from . import console

    output.step("reading what MLflow holds")
    held = mlflow_store.read(store=store, experiments=experiments)
    with output.progress("versions") as progress:
        report = registries.load(
            registry=held,
            tool=registries.MLFLOW,
            caller=console.caller(),
            now=datetime.now(UTC),
            namespace=namespace,
            team=team,
            is_open=is_open,
            dry_run=dry_run,
            progress=progress,
        )
    import_reports.finish(report, context=context, as_json=as_json)


@click.command()
@click.argument("source")
@click.option("--namespace", default="langfuse", show_default=True, help="Of the lines.")
@click.option("--team", default="langfuse", show_default=True, help="To whom all of it belongs.")
@click.option("--open", "is_open", is_flag=True, help="Let everybody read the texts.")
@import_reports.dry_run_option
@output.json_option
@click.pass_context
def langfuse(
    context: click.Context,
    *,
    source: str,
    namespace: str,
    team: str,
    is_open: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Langfuse's prompts, labels and scores: SOURCE is its address, or a file of what its API answered."""
    installation.open_database()
    from mintmark.importers import langfuse_api, langfuse_store, registries

    from . import console

    lists = langfuse_api.read(
        source=source, fetched=lambda what, count: output.step(f"{count:,} {what} fetched")
    )
    with output.progress("versions") as progress:
        report = registries.load(
            registry=langfuse_store.read(lists, name=source),
            tool=registries.LANGFUSE,
            caller=console.caller(),
            now=datetime.now(UTC),
            namespace=namespace,
            team=team,
            is_open=is_open,
            dry_run=dry_run,
            progress=progress,
        )
    import_reports.finish(report, context=context, as_json=as_json)
