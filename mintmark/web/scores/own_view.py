"""Which view of the scores a page shows: that of the reader's own team first, where it has one."""

from django.http import HttpRequest

from mintmark.accounts.callers import Caller
from mintmark.registry.models import Assistant, Prompt
from mintmark.reputation import own_reports

from .. import query_params

OWN, PUBLIC = "own", "public"


def choose_prompt_view(request: HttpRequest, *, caller: Caller, prompt: Prompt) -> int | None:
    """The team whose view of a prompt is shown; None for the public one: `scores=public` was asked for, or the
    reader's team has reported nothing of it."""
    team_id = caller.principal.team_id
    if team_id is None or not own_reports.has_reported(team_id=team_id, prompt=prompt):
        return None
    return team_id if _parse_choice(request) == OWN else None


def choose_assistant_view(
    request: HttpRequest, *, caller: Caller, assistant: Assistant
) -> int | None:
    """The same of an assistant: its team's view for that team and for administrators."""
    if not (caller.is_admin or assistant.team_id in caller.team_ids):
        return None
    return assistant.team_id if _parse_choice(request) == OWN else None


def _parse_choice(request: HttpRequest) -> str:
    return query_params.parse_choice(request.GET, "scores", allowed=(OWN, PUBLIC), default=OWN)
