"""Who is meant by a name on the command line: a person, an assistant or a team."""

from typing import TYPE_CHECKING

from mintmark.core import errors

if TYPE_CHECKING:
    from mintmark.accounts.callers import Caller
    from mintmark.accounts.models import Principal, Team


def named(*, holder: str) -> "Principal":
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
        return principals.of_user(user=person)
    if assistant is not None:
        return assistant.principal
    raise errors.NotFound(f"Nobody is called {name!r}: neither a person nor an assistant.")


def team(*, name: str) -> "Team":
    """The team with this name."""
    from mintmark.accounts.models import Team

    found = Team.objects.filter(name=name).first()
    if found is None:
        raise errors.NotFound(f"No team {name!r}: see `mintmark team list`.")
    return found


def acting(*, person: str | None = None) -> "Caller":
    """The caller of a command: the person named, with his own roles, or else the console."""
    from mintmark.accounts import callers
    from mintmark.accounts.models import User

    from . import console

    if person is None:
        return console.caller()
    user = User.objects.filter(username=person).first()
    if user is None:
        raise errors.NotFound(f"No person is called {person!r}: see `mintmark user list`.")
    return callers.from_user(user=user)
