"""`/assistants`: the identities that use prompts."""

from datetime import datetime
from typing import Annotated, TypedDict

from ninja import Query
from pydantic import Field

from mintmark.registry import assistants
from mintmark.registry.models import Assistant

from . import lookups, paging, permissions
from .answers import Created
from .bodies import Body, Id, Reference
from .credentials import Request
from .routes import Routes

routes = Routes(tag="assistants")


class AssistantShape(TypedDict):
    """An assistant; `mine`: it is one of the caller's teams'."""

    id: int
    name: str
    team: str
    owner: str
    model: str
    description: str
    created_at: datetime
    mine: bool


class AssistantPage(TypedDict):
    items: list[AssistantShape]
    next_cursor: str | None


class NewAssistant(Body):
    """An assistant to register, in `team` (the caller's own if not said)."""

    name: str
    team: str | None = None
    model: Annotated[str, Field(max_length=200)] = ""
    description: Annotated[str, Field(max_length=10_000)] = ""


@routes.get("/assistants", scope="read", answer=AssistantPage, refuses=(400,))
def listed(
    request: Request,
    limit: paging.Limit,
    cursor: paging.Cursor,
    search: Annotated[str, Query("", max_length=200, description="part of a name or model")],
    mine: Annotated[bool, Query(False, description="those of the caller's teams alone")],
) -> AssistantPage:
    """List assistants, newest first."""
    rows = Assistant.objects.select_related("team", "owner").order_by("-id")
    if search:
        rows = rows.filter(name__icontains=search) | rows.filter(model__icontains=search)
    if mine:
        rows = rows.filter(team__in=request.auth.team_ids)
    page, following = paging.newest(rows, limit=limit, cursor=cursor)
    return {"items": [_shape(row, request) for row in page], "next_cursor": following}


@routes.get("/assistants/named", scope="read", answer=AssistantShape, refuses=(404,))
def named(request: Request, ref: Reference) -> AssistantShape:
    """Find an assistant by its name or id."""
    return _shape(assistants.named(reference=ref), request)


@routes.get("/assistants/{int:assistant_id}", scope="read", answer=AssistantShape)
def shown(request: Request, assistant_id: Id) -> AssistantShape:
    """Show an assistant."""
    return _shape(lookups.by_id(Assistant.objects.all(), pk=assistant_id), request)


@routes.post("/assistants", scope="registry", body=NewAssistant, answer=AssistantShape)
def registered(request: Request, body: NewAssistant) -> Created[AssistantShape]:
    """Register an assistant.

    The same name in the same team again returns what is there. It takes the role operator in the team.
    """
    team = permissions.team_of(request.auth, name=body.team)
    assistants.require_operator(caller=request.auth, team_id=team.pk)
    row = assistants.register(
        name=body.name,
        owner=request.auth.principal,
        team=team,
        model=body.model,
        description=body.description,
    )
    return Created(body=_shape(row, request), location=f"/api/v1/assistants/{row.pk}")


def _shape(row: Assistant, request: Request) -> AssistantShape:
    return {
        "id": row.pk,
        "name": row.name,
        "team": row.team.name,
        "owner": row.owner.name,
        "model": row.model,
        "description": row.description,
        "created_at": row.created_at,
        "mine": row.team_id in request.auth.team_ids,
    }
