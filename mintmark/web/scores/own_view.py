"""Which view of the scores a page shows: that of the reader's own team first, where it has one."""

from dataclasses import dataclass

from django.http import HttpRequest

from mintmark.accounts.callers import Caller
from mintmark.registry.models import Assistant, Prompt
from mintmark.reputation import own_reports

from .. import query_params

OWN, PUBLIC = "own", "public"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownView:
    """The team whose view is shown (None for the public one), and whether the reader's team has a view of its own."""

    own_team: int | None
    has_own: bool


def choose_prompt_view(request: HttpRequest, *, caller: Caller, prompt: Prompt) -> ShownView:
    """The view of a prompt: that of the reader's team where it reported outcomes of the prompt."""
    team_id = caller.principal.team_id
    has_own = team_id is not None and own_reports.has_reported(team_id=team_id, prompt=prompt)
    return _choose(request, team_id if has_own else None)


def choose_assistant_view(
    request: HttpRequest, *, caller: Caller, assistant: Assistant
) -> ShownView:
    """The view of an assistant: that of its team, for this team and for administrators."""
    has_own = caller.is_admin or assistant.team_id in caller.team_ids
    return _choose(request, assistant.team_id if has_own else None)


def _choose(request: HttpRequest, team_id: int | None) -> ShownView:
    chosen = query_params.parse_choice(request.GET, "scores", allowed=(OWN, PUBLIC), default=OWN)
    return ShownView(own_team=team_id if chosen == OWN else None, has_own=team_id is not None)
