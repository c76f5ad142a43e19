"""`/me`, `/status`, `/policies`, `/errors`: who calls, how current scores are, by which constants, what codes mean."""

import importlib.metadata
import json
from datetime import datetime
from typing import Any, TypedDict

from mintmark.common import errors
from mintmark.evidence.models import Event
from mintmark.projection import projector
from mintmark.projection.prompt_models import Policy

from . import pagination, problems
from .authentication import AuthenticatedRequest
from .endpoints import Routes
from .schemas import AsOf
from .schemas import Policy as PolicyVersion

routes = Routes(tag="system")

VERSION = importlib.metadata.version("mintmark")


class RoleOut(TypedDict):
    """A role, in one team or (null) in every team."""

    role: str
    team: int | None


class CallerOut(TypedDict):
    """The caller: principal, scopes of the key in hand, roles, teams."""

    id: int
    name: str
    kind: str
    assistant: int | None
    scopes: list[str]
    roles: list[RoleOut]
    teams: list[int]


class StatusOut(TypedDict):
    """How current the scores are: `lag` events are recorded and not projected yet."""

    version: str
    as_of: AsOf
    policy: PolicyVersion
    projected: int
    projected_at: datetime | None
    recorded: int
    lag: int


class PolicyOut(TypedDict):
    """The constants under which scores stand, as one calibration learned them."""

    version: int
    is_current: bool
    learned_from: int
    author: str | None
    note: str
    created_at: datetime
    pairs: dict[str, Any]
    reputation: dict[str, Any]


class PolicyPage(TypedDict):
    items: list[PolicyOut]
    next_cursor: str | None


class ErrorOut(TypedDict):
    """What an error code means."""

    code: str
    status: int
    title: str


@routes.get("/me", scope="read", response_schema=CallerOut)
def get_me(request: AuthenticatedRequest) -> CallerOut:
    """Show the caller, with scopes and roles."""
    caller = request.auth
    assistant = getattr(caller.principal, "assistant", None) if caller.is_assistant else None
    return {
        "id": caller.principal.pk,
        "name": caller.principal.name,
        "kind": caller.principal.kind,
        "assistant": assistant.pk if assistant is not None else None,
        "scopes": sorted(caller.scopes),
        "roles": [
            {"role": role, "team": team}
            for role, team in sorted(
                caller.roles, key=lambda role_in_team: (role_in_team[0], role_in_team[1] or 0)
            )
        ],
        "teams": sorted(caller.team_ids),
    }


@routes.get("/status", scope="read", response_schema=StatusOut)
def get_status(request: AuthenticatedRequest) -> StatusOut:
    """Show up to which event scores are current, and how far they lag behind the log."""
    checkpoint = projector.get_checkpoint()
    recorded = Event.objects.count()
    return {
        "version": VERSION,
        "as_of": checkpoint.event,
        "policy": checkpoint.policy_id,
        "projected": checkpoint.folded,
        "projected_at": checkpoint.folded_at,
        "recorded": recorded,
        "lag": recorded - checkpoint.folded,
    }


@routes.get("/policies", scope="read", response_schema=PolicyPage, error_statuses=(400,))
def list_policies(
    request: AuthenticatedRequest, limit: pagination.Limit, cursor: pagination.Cursor
) -> PolicyPage:
    """List the policies, newest first, with every constant."""
    current_version = projector.get_checkpoint().policy_id
    rows = Policy.objects.select_related("author").order_by("-version")
    after = pagination.decode_cursor(cursor, key_types=(0,))
    if after is not None:
        rows = rows.filter(version__lt=after[0])
    page, next_cursor = pagination.slice_page(
        list(rows[: limit + 1]), limit=limit, key=lambda row: (row.pk,)
    )
    return {
        "items": [
            {
                "version": row.version,
                "is_current": row.version == current_version,
                "learned_from": row.learned_from,
                "author": row.author.name if row.author is not None else None,
                "note": row.note,
                "created_at": row.created_at,
                "pairs": json.loads(row.pairs),
                "reputation": json.loads(row.reputation),
            }
            for row in page
        ],
        "next_cursor": next_cursor,
    }


@routes.get("/errors/{code}", scope="read", response_schema=ErrorOut)
def get_error(request: AuthenticatedRequest, code: str) -> ErrorOut:
    """Explain an error code: the `type` of every problem points here."""
    entry = problems.CATALOGUE.get(code)
    if entry is None:
        raise errors.NotFound(f"No error has the code {code[:60]!r}.")
    return {"code": code, "status": entry.status, "title": entry.title}
