"""`/assistants`: the identities that use prompts."""

from datetime import datetime
from typing import Annotated, TypedDict

from ninja import Query
from pydantic import Field

from mintmark.registry import assistants
from mintmark.registry.models import Assistant

from . import get_or_404, pagination, permissions
from .authentication import AuthenticatedRequest
from .endpoints import Routes
from .request_body import Id, Reference, RequestBody
from .responses import WriteResult

routes = Routes(tag="assistants")


class AssistantOut(TypedDict):
    """An assistant; `is_own`: it is one of the caller's teams'."""

    id: int
    name: str
    team: str
    owner: str
    model: str
    description: str
    created_at: datetime
    is_own: bool


class AssistantPage(TypedDict):
    items: list[AssistantOut]
    next_cursor: str | None


class NewAssistant(RequestBody):
    """An assistant to register, in `team` (the caller's own if not said)."""

    name: str
    team: str | None = None
    model: Annotated[str, Field(max_length=200)] = ""
    description: Annotated[str, Field(max_length=10_000)] = ""


@routes.get("/assistants", scope="read", response_schema=AssistantPage, error_statuses=(400,))
def list_assistants(
    request: AuthenticatedRequest,
    limit: pagination.Limit,
    cursor: pagination.Cursor,
    search: Annotated[str, Query("", max_length=200, description="part of a name or model")],
    is_own: Annotated[bool, Query(False, description="only those of the caller's teams")],
) -> AssistantPage:
    """List assistants, newest first."""
    rows = Assistant.objects.select_related("team", "owner").order_by("-id")
    if search:
        rows = rows.filter(name__icontains=search) | rows.filter(model__icontains=search)
    if is_own:
        rows = rows.filter(team__in=request.auth.team_ids)
    page, next_cursor = pagination.paginate_by_id(rows, limit=limit, cursor=cursor)
    return {"items": [_serialize(row, request) for row in page], "next_cursor": next_cursor}


@routes.get("/assistants/named", scope="read", response_schema=AssistantOut, error_statuses=(404,))
def find_assistant(request: AuthenticatedRequest, ref: Reference) -> AssistantOut:
    """Find an assistant by its name or id."""
    return _serialize(assistants.resolve(reference=ref), request)


@routes.get("/assistants/{int:assistant_id}", scope="read", response_schema=AssistantOut)
def get_assistant(request: AuthenticatedRequest, assistant_id: Id) -> AssistantOut:
    """Show an assistant."""
    return _serialize(get_or_404.get_by_id(Assistant.objects.all(), pk=assistant_id), request)


@routes.post("/assistants", scope="registry", body=NewAssistant, response_schema=AssistantOut)
def register_assistant(
    request: AuthenticatedRequest, body: NewAssistant
) -> WriteResult[AssistantOut]:
    """Register an assistant.

    The same name in the same team again returns what is there. It takes the role operator in the team.
    """
    team = permissions.resolve_team(request.auth, name=body.team)
    assistants.require_operator(caller=request.auth, team_id=team.pk)
    row = assistants.register(
        name=body.name,
        owner=request.auth.principal,
        team=team,
        model=body.model,
        description=body.description,
    )
    return WriteResult(body=_serialize(row, request), location=f"/api/v1/assistants/{row.pk}")


def _serialize(row: Assistant, request: AuthenticatedRequest) -> AssistantOut:
    return {
        "id": row.pk,
        "name": row.name,
        "team": row.team.name,
        "owner": row.owner.name,
        "model": row.model,
        "description": row.description,
        "created_at": row.created_at,
        "is_own": row.team_id in request.auth.team_ids,
    }
