"""Which view of the scores a request asks for: that of everybody, or that of the caller's own team."""

from typing import Annotated, Literal

from ninja import Query

from mintmark.accounts.callers import Caller
from mintmark.common import errors
from mintmark.registry.models import Assistant

ViewName = Literal["public", "mine"]
View = Annotated[
    ViewName,
    Query("public", description="public, or mine: with what your own team reported, in full"),
]


class NoOwnView(errors.DomainError):
    """The caller has no view of their own here."""

    code = "no_own_view"


def get_own_team(caller: Caller, view: ViewName) -> int | None:
    """The team whose view is asked for; None for the public one. Raises `NoOwnView` for a caller without a team."""
    if view == "public":
        return None
    if caller.principal.team_id is None:
        raise NoOwnView("You belong to no team, so there is no view of yours: ask for view=public.")
    return caller.principal.team_id


def get_assistants_team(caller: Caller, assistant: Assistant, view: ViewName) -> int | None:
    """The team of the assistant whose view is asked for; None for the public one. Raises `NoOwnView` for a caller of
    another team."""
    if view == "public":
        return None
    if not (caller.is_admin or assistant.team_id in {*caller.team_ids, caller.principal.team_id}):
        raise NoOwnView(f"{assistant.name} is another team's assistant: ask for view=public.")
    return assistant.team_id
