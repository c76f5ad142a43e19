"""`/me`, `/status`, `/policies`, `/errors`: who calls, how current scores are, by which constants, what codes mean."""

import importlib.metadata
import json
from datetime import datetime
from typing import Any, TypedDict

from mintmark.core import errors
from mintmark.evidence.models import Event
from mintmark.reputation.models import Policy
from mintmark.trust import projector

from . import paging, problems
from .credentials import Request
from .routes import Routes
from .shapes import AsOf
from .shapes import Policy as PolicyVersion

routes = Routes(tag="house")

VERSION = importlib.metadata.version("mintmark")


class RoleShape(TypedDict):
    """A role, in one team or (null) in every team."""

    role: str
    team: int | None


class Me(TypedDict):
    """The caller: principal, scopes of the key in hand, roles, teams."""

    id: int
    name: str
    kind: str
    assistant: int | None
    scopes: list[str]
    roles: list[RoleShape]
    teams: list[int]


class Status(TypedDict):
    """How current the scores are: `lag` events are recorded and not folded yet."""

    version: str
    as_of: AsOf
    policy: PolicyVersion
    folded: int
    folded_at: datetime | None
    recorded: int
    lag: int


class PolicyShape(TypedDict):
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
    items: list[PolicyShape]
    next_cursor: str | None


class ErrorShape(TypedDict):
    """What an error code means."""

    code: str
    status: int
    title: str


@routes.get("/me", scope="read", answer=Me)
def me(request: Request) -> Me:
    """Say who calls, with which scopes and roles."""
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
            for role, team in sorted(caller.roles, key=lambda held: (held[0], held[1] or 0))
        ],
        "teams": sorted(caller.team_ids),
    }


@routes.get("/status", scope="read", answer=Status)
def status(request: Request) -> Status:
    """Say up to which event scores are current, and how far they lag behind the log."""
    at = projector.cursor()
    recorded = Event.objects.count()
    return {
        "version": VERSION,
        "as_of": at.event,
        "policy": at.policy_id,
        "folded": at.folded,
        "folded_at": at.folded_at,
        "recorded": recorded,
        "lag": recorded - at.folded,
    }


@routes.get("/policies", scope="read", answer=PolicyPage, refuses=(400,))
def policies(request: Request, limit: paging.Limit, cursor: paging.Cursor) -> PolicyPage:
    """List the policies, newest first, with every constant."""
    current = projector.cursor().policy_id
    rows = Policy.objects.select_related("author").order_by("-version")
    after = paging.read(cursor, like=(0,))
    if after is not None:
        rows = rows.filter(version__lt=after[0])
    page, following = paging.cut(list(rows[: limit + 1]), limit=limit, key=lambda row: (row.pk,))
    return {
        "items": [
            {
                "version": row.version,
                "is_current": row.version == current,
                "learned_from": row.learned_from,
                "author": row.author.name if row.author is not None else None,
                "note": row.note,
                "created_at": row.created_at,
                "pairs": json.loads(row.pairs),
                "reputation": json.loads(row.reputation),
            }
            for row in page
        ],
        "next_cursor": following,
    }


@routes.get("/errors/{code}", scope="read", answer=ErrorShape)
def error(request: Request, code: str) -> ErrorShape:
    """Say what an error code means: where the `type` of every problem leads."""
    entry = problems.CATALOGUE.get(code)
    if entry is None:
        raise errors.NotFound(f"No error has the code {code[:60]!r}.")
    return {"code": code, "status": entry.status, "title": entry.title}
