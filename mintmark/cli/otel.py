"""`mintmark otel`."""

from datetime import UTC, datetime
from pathlib import Path

import click

from . import bootstrap, output, resolve


@click.group()
def otel() -> None:
    """Show and set how evaluations from OpenTelemetry become evidence."""


@otel.command()
@click.argument("team")
@output.json_option
def show(*, team: str, as_json: bool) -> None:
    """Show the mapping of TEAM that is in force, as `set` takes it."""
    bootstrap.open_database()
    import yaml

    from mintmark.otlp import mappings

    row = mappings.get_current_mapping(team=resolve.resolve_team(name=team))
    document = mappings.load_document(row).model_dump(mode="json")
    if as_json:
        output.print_json(
            {"team": team, "version": row.version if row else 0, "document": document}
        )
        return
    if row is None:
        output.print_message(
            f"Team {team} never set a mapping: nothing is taken as evidence.", as_json=True
        )
    click.echo(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), nl=False)


@otel.command(name="set")
@click.argument("team")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--by", "person", metavar="USER", help="Who does it: an operator. [default: console]")
@output.json_option
def set_(*, team: str, file: Path, person: str | None, as_json: bool) -> None:
    """Put the mapping in FILE (YAML or JSON) in force for TEAM, from the next event on.

    The same mapping again changes nothing, a changed one becomes the next version.
    """
    bootstrap.open_database()
    from mintmark.common import documents
    from mintmark.otlp import mappings

    try:
        with file.open("rb") as stream:
            text = stream.read(documents.MAX_BYTES + 1).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as failed:
        raise documents.InvalidDocument(f"{file} can't be read as a text: {failed}.") from failed
    mapping = mappings.set_mapping(
        caller=resolve.resolve_caller(person=person),
        team=resolve.resolve_team(name=team),
        document=mappings.parse_mapping(text),
        now=datetime.now(UTC),
    )
    evaluations = len(mapping.document["evaluations"])
    if as_json:
        output.print_json({"team": team, "version": mapping.version, "evaluations": evaluations})
    else:
        output.print_message(
            f"Version {mapping.version} is in force for {team}: {evaluations} evaluations."
        )


@otel.command()
@click.argument("team")
@click.option("--forget", is_flag=True, help="Reset the counts; evidence stays.")
@output.json_option
def counts(*, team: str, forget: bool, as_json: bool) -> None:
    """Count what became of the events of TEAM, and why some were rejected."""
    bootstrap.open_database()
    from mintmark.otlp import ingest_counts

    caller, team_row = resolve.resolve_caller(), resolve.resolve_team(name=team)
    if forget:
        n = ingest_counts.reset_counts(caller=caller, team=team_row)
        if as_json:
            output.print_json({"forgotten": n})
        else:
            output.print_message(f"{n} counts are forgotten.")
        return
    rows = [
        {
            "fate": row.fate,
            "attribute": row.attribute,
            "value": row.value,
            "count": row.count,
            "last_at": row.last_at,
        }
        for row in ingest_counts.list_counts(caller=caller, team=team_row)
    ]
    if as_json:
        output.print_json(rows)
        return
    output.print_table(
        columns=["count", "fate", "attribute", "value", "last"],
        rows=[
            [f"{r['count']:,}", r["fate"], r["attribute"], r["value"], f"{r['last_at']:%F %H:%M}"]
            for r in rows
        ],
        empty="Nothing has arrived: docs/guides/opentelemetry.md says how an exporter is pointed here.",
        right=["count"],
    )
