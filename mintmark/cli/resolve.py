"""Who is meant by a name on the command line: a person, an assistant or a team."""

from typing import TYPE_CHECKING

from mintmark.common import errors

if TYPE_CHECKING:
    from mintmark.accounts.callers import Caller
    from mintmark.accounts.models import Principal, Team


def resolve_principal(*, holder: str) -> "Principal":
    """The principal of a person's sign-in name or an assistant's name.

    `NotFound` where there is none, or both: then person:NAME or assistant:NAME tells them apart.
    """
    from mintmark.accounts import principals
    from mintmark.accounts.models import User
    from mintmark.registry.models import Assistant

    kind, _, name = holder.partition(":")
    if kind not in ("person", "assistant"):
        kind, name = "", holder
    person = User.objects.filter(username=name).first() if kind != "assistant" else None
    assistant = Assistant.objects.filter(name=name).first() if kind != "person" else None
    if person is not None and assistant is not None:
        raise errors.NotFound(
            f"{name!r} is a person and an assistant: write person:{name} or assistant:{name}."
        )
    if person is not None:
        return principals.get_or_create_for_user(user=person)
    if assistant is not None:
        return assistant.principal
    raise errors.NotFound(f"Nobody is called {name!r}: neither a person nor an assistant.")


def resolve_team(*, name: str) -> "Team":
    """The team with this name."""
    from mintmark.accounts.models import Team

    team_row = Team.objects.filter(name=name).first()
    if team_row is None:
        raise errors.NotFound(f"No team {name!r}: see `mintmark team list`.")
    return team_row


def resolve_caller(*, person: str | None = None) -> "Caller":
    """The caller of a command: the person named, with their own roles, or else the console."""
    from mintmark.accounts import callers
    from mintmark.accounts.models import User

    from . import actor

    if person is None:
        return actor.get_caller()
    user = User.objects.filter(username=person).first()
    if user is None:
        raise errors.NotFound(f"No person is called {person!r}: see `mintmark user list`.")
    return callers.from_user(user=user)
