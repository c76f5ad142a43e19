"""`mintmark otel`."""

from datetime import UTC, datetime
from pathlib import Path

import click

from . import holders, installation, output


@click.group()
def otel() -> None:
    """See and say how evaluations from OpenTelemetry become evidence."""


@otel.command()
@click.argument("team")
@output.json_option
def show(*, team: str, as_json: bool) -> None:
    """Show the mapping of TEAM that is in force, as `set` takes it."""
    installation.open_database()
    import yaml

    from mintmark.telemetry import mappings

    row = mappings.current(team=holders.team(name=team))
    document = mappings.document(row).model_dump(mode="json")
    if as_json:
        output.print_json(
            {"team": team, "version": row.version if row else 0, "document": document}
        )
        return
    if row is None:
        output.say(f"Team {team} never set a mapping: nothing is taken as evidence.", as_json=True)
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
    installation.open_database()
    from mintmark.rituals import documents
    from mintmark.telemetry import mappings

    try:
        with file.open("rb") as opened:
            text = opened.read(documents.MAX_BYTES + 1).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as failed:
        raise documents.InvalidDocument(f"{file} can't be read as a text: {failed}.") from failed
    made = mappings.put(
        caller=holders.acting(person=person),
        team=holders.team(name=team),
        document=mappings.read(text),
        now=datetime.now(UTC),
    )
    evaluations = len(made.document["evaluations"])
    if as_json:
        output.print_json({"team": team, "version": made.version, "evaluations": evaluations})
    else:
        output.say(f"Version {made.version} is in force for {team}: {evaluations} evaluations.")


@otel.command()
@click.argument("team")
@click.option("--forget", is_flag=True, help="Begin to count anew; evidence stays.")
@output.json_option
def arrivals(*, team: str, forget: bool, as_json: bool) -> None:
    """Say what became of the events of TEAM, and what of the rejected ones could not be read."""
    installation.open_database()
    from mintmark.telemetry import arrivals as counts

    caller, whose = holders.acting(), holders.team(name=team)
    if forget:
        n = counts.forget(caller=caller, team=whose)
        if as_json:
            output.print_json({"forgotten": n})
        else:
            output.say(f"{n} counts are forgotten.")
        return
    found = [
        {
            "fate": row.fate,
            "attribute": row.attribute,
            "value": row.value,
            "count": row.count,
            "last_at": row.last_at,
        }
        for row in counts.of(caller=caller, team=whose)
    ]
    if as_json:
        output.print_json(found)
        return
    output.print_table(
        columns=["count", "fate", "attribute", "value", "last"],
        rows=[
            [f"{r['count']:,}", r["fate"], r["attribute"], r["value"], f"{r['last_at']:%F %H:%M}"]
            for r in found
        ],
        empty="Nothing has arrived: docs/guides/opentelemetry.md says how an exporter is pointed here.",
        right=["count"],
    )
