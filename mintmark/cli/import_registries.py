"""`mintmark import mlflow`, `import langfuse`: prompts that another registry keeps, with what was measured there."""

from datetime import UTC, datetime

import click

from mintmark.common import score_names

from . import bootstrap, import_report, output


@click.command()
@click.argument("store")
@click.option("--experiment", "experiments", multiple=True, help="Whose feedback to read. [default: all]")  # fmt: skip
@click.option("--namespace", default="mlflow", show_default=True, help="Of the lines.")
@click.option("--team", default="mlflow", show_default=True, help="To whom all of it belongs.")
@click.option("--open", "is_open", is_flag=True, help="Let everybody read the texts.")
@import_report.score_options
@import_report.dry_run_option
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
    scores: tuple[str, ...],
    ignored: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
) -> None:
    """MLflow's prompts, aliases and feedback: STORE is its SQLite file, or an address as MLflow takes it."""
    bootstrap.open_database()
    from mintmark.integrations import mlflow_reader, registry_import

    from . import actor

    mapping = score_names.parse_mapping(scores=scores, ignored=ignored)
    output.print_step("reading what MLflow holds")
    registry = mlflow_reader.load_registry(store=store, experiments=experiments, mapping=mapping)
    with output.show_progress("versions") as progress:
        report = registry_import.load(
            registry=registry,
            tool=registry_import.MLFLOW,
            caller=actor.get_caller(),
            now=datetime.now(UTC),
            namespace=namespace,
            team=team,
            is_open=is_open,
            dry_run=dry_run,
            progress=progress,
        )
    import_report.finish_import(report, context=context, as_json=as_json)


@click.command()
@click.argument("source")
@click.option("--namespace", default="langfuse", show_default=True, help="Of the lines.")
@click.option("--team", default="langfuse", show_default=True, help="To whom all of it belongs.")
@click.option("--open", "is_open", is_flag=True, help="Let everybody read the texts.")
@import_report.score_options
@import_report.dry_run_option
@output.json_option
@click.pass_context
def langfuse(
    context: click.Context,
    *,
    source: str,
    namespace: str,
    team: str,
    is_open: bool,
    scores: tuple[str, ...],
    ignored: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Langfuse's prompts, labels and scores: SOURCE is its address, or a file of what its API answered."""
    bootstrap.open_database()
    from mintmark.integrations import langfuse_api, langfuse_reader, registry_import

    from . import actor

    mapping = score_names.parse_mapping(scores=scores, ignored=ignored)
    lists = langfuse_api.load_lists(
        source=source, on_fetched=lambda kind, count: output.print_step(f"{count:,} {kind} fetched")
    )
    with output.show_progress("versions") as progress:
        report = registry_import.load(
            registry=langfuse_reader.parse_registry(lists, name=source, mapping=mapping),
            tool=registry_import.LANGFUSE,
            caller=actor.get_caller(),
            now=datetime.now(UTC),
            namespace=namespace,
            team=team,
            is_open=is_open,
            dry_run=dry_run,
            progress=progress,
        )
    import_report.finish_import(report, context=context, as_json=as_json)
