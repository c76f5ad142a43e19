"""`mintmark user`."""

import secrets
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from mintmark.common import errors

from . import bootstrap, output

if TYPE_CHECKING:
    from mintmark.accounts.models import User

ROLES = ("operator", "author", "treasurer", "auditor", "admin")
EVERYWHERE = "everywhere"


class NameTaken(errors.DomainError):
    """Somebody is called that already."""

    code = "name_taken"


class UnfitPassword(errors.DomainError):
    """A password is too easy to guess."""

    code = "unfit_password"


@click.group()
def users() -> None:
    """Create and list the people who sign in."""


@users.command()
@click.argument("name")
@click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice(ROLES),
    help="Held in --team, or everywhere where no team is given. Repeat for several.",
)
@click.option("--team", help="The team the roles are held in; see `mintmark team create`.")
@click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input, not make one."
)
@output.json_option
def create(
    *, name: str, roles: Sequence[str], team: str | None, password_stdin: bool, as_json: bool
) -> None:
    """Create a person who signs in as NAME; prints the password unless it was given."""
    bootstrap.open_database()
    from django.db import transaction

    password = sys.stdin.readline().rstrip("\n") if password_stdin else secrets.token_urlsafe(12)
    with transaction.atomic():
        user = create_user(name=name, password=password, roles=roles, team=team)
    document = {"user": user.get_username(), "roles": list(roles), "team": team}
    if as_json:
        output.print_json(document if password_stdin else document | {"password": password})
        return
    roles_text = f" ({', '.join(roles)} in {team or 'every team'})" if roles else ""
    output.print_message(f"{user.get_username()}{roles_text} can sign in.")
    if not password_stdin:
        output.print_message(f"Password: {password}")


@users.command(name="list")
@output.json_option
def list_(*, as_json: bool) -> None:
    """List who can sign in, with their roles."""
    bootstrap.open_database()
    from mintmark.accounts.models import User

    user_rows: list[dict[str, Any]] = [
        {
            "user": user.get_username(),
            "active": user.is_active and user.has_usable_password(),
            "last_login": user.last_login,
            "roles": [
                {"role": membership.role, "team": membership.team.name if membership.team else None}
                for membership in user.memberships.all()
            ],
        }
        for user in User.objects.prefetch_related("memberships__team").order_by("username")
    ]
    if as_json:
        output.print_json(user_rows)
        return
    rows = [
        [
            row["user"],
            "yes" if row["active"] else "no",
            ", ".join(f"{h['role']} in {h['team'] or 'every team'}" for h in row["roles"]),
            f"{row['last_login']:%Y-%m-%d %H:%M}" if row["last_login"] else "never",
        ]
        for row in user_rows
    ]
    output.print_table(
        columns=["user", "can sign in", "roles", "last seen"],
        rows=rows,
        empty="Nobody yet: `mintmark user create NAME --role admin` makes the first.",
    )


def create_user(*, name: str, password: str, roles: Sequence[str], team: str | None) -> "User":
    """A new person with these roles in `team` (None: everywhere).

    Raises `NameTaken`, `UnfitPassword`, `NotFound` (no such team).
    """
    from django.contrib.auth.password_validation import validate_password
    from django.core.exceptions import ValidationError

    from mintmark.accounts import principals
    from mintmark.accounts.models import Membership, Team, User

    team_row = Team.objects.filter(name=team).first() if team is not None else None
    if team is not None and team_row is None:
        raise errors.NotFound(f"No team {team!r}: `mintmark team create {team}` makes it.")
    if User.objects.filter(username=name).exists():
        raise NameTaken(f"Somebody is called {name!r} already; choose another name.")
    if principals.is_name_of_assistant(name=name):
        raise NameTaken(
            f"{name!r} is an assistant, and gifts to it would be ambiguous; choose another name."
        )
    user = User(username=name)
    try:
        user.clean_fields(exclude=["password"])
        validate_password(password, user=user)
    except ValidationError as unfit:
        kind = NameTaken if "username" in getattr(unfit, "message_dict", {}) else UnfitPassword
        raise kind(" ".join(unfit.messages)) from unfit
    user.set_password(password)
    user.save()
    for role in roles:
        Membership.objects.get_or_create(user=user, team=team_row, role=role)
    return user
