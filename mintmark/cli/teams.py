"""`mintmark team`."""

import re

import click

from . import bootstrap, output


@click.group()
def teams() -> None:
    """Create and list teams, and say which task or rule set belongs to which."""


@teams.command()
@click.argument("name")
@click.option("--title", default="", help="What people read.")
@output.json_option
def create(*, name: str, title: str, as_json: bool) -> None:
    """Create the team NAME (a-z, 0-9, '-', '_'); one that is there stays as it is."""
    bootstrap.open_database()
    from mintmark.accounts.models import Team

    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", name):
        raise click.BadParameter(
            f"{name!r}: use 1 to 64 of a-z, 0-9, '-' and '_'.", param_hint="NAME"
        )
    team, created = Team.objects.get_or_create(name=name, defaults={"title": title[:200]})
    if as_json:
        output.print_json({"id": team.pk, "team": team.name, "created": created})
    else:
        output.print_message(
            f"Team {team.name} " + ("created." if created else "was there already.")
        )


@teams.command(name="list")
@output.json_option
def list_(*, as_json: bool) -> None:
    """List all teams with what they hold."""
    bootstrap.open_database()
    from django.db.models import Count

    from mintmark.accounts.models import Team

    rows = [
        {
            "id": team.pk,
            "team": team.name,
            "title": team.title,
            "people": team.people,
            "assistants": team.kept_assistants,
            "prompts": team.kept_prompts,
        }
        for team in Team.objects.annotate(
            people=Count("memberships__user", distinct=True),
            kept_assistants=Count("assistants", distinct=True),
            kept_prompts=Count("prompts", distinct=True),
        ).order_by("name")
    ]
    if as_json:
        output.print_json(rows)
        return
    output.print_table(
        columns=["team", "title", "people", "assistants", "prompts"],
        rows=[[t["team"], t["title"], t["people"], t["assistants"], t["prompts"]] for t in rows],
        empty="No team yet: `mintmark team create NAME` makes one.",
        right=["people", "assistants", "prompts"],
    )


@teams.command(name="give-name")
@click.argument("kind", type=click.Choice(["ritual", "codex"]))
@click.argument("name")
@click.argument("team")
@output.json_option
def give_name(*, kind: str, name: str, team: str, as_json: bool) -> None:
    """Make TEAM the owner of the task (ritual) or rule set (codex) NAME: it alone releases its next versions."""
    bootstrap.open_database()
    from datetime import UTC, datetime

    from mintmark.registry import name_owners
    from mintmark.registry.models import NameOwner

    from . import resolve

    owner = name_owners.give(
        caller=resolve.resolve_caller(),
        kind=NameOwner.Kind(kind),
        name=name,
        team=resolve.resolve_team(name=team),
        now=datetime.now(UTC),
    )
    if as_json:
        output.print_json(
            {"kind": owner.kind, "name": owner.name, "team": team, "since": owner.since}
        )
    else:
        output.print_message(f"The {kind} {owner.name!r} belongs to team {team} from now on.")
