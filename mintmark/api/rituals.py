"""`/rituals`: the protocols that evidence is measured with."""

from datetime import datetime
from typing import Annotated, Any, TypedDict

from ninja import Query
from pydantic import Field

from mintmark.accounts.models import Role
from mintmark.common import documents
from mintmark.registry import rituals
from mintmark.registry.models import Ritual
from mintmark.rituals import definitions

from . import get_or_404, pagination, permissions
from .authentication import AuthenticatedRequest
from .endpoints import Routes
from .request_body import Id, Reference, RequestBody
from .responses import WriteResult

routes = Routes(tag="rituals")


class RitualOut(TypedDict):
    """One version of a ritual; `tag` is the task that it measures."""

    id: int
    name: str
    version: int
    tag: str
    description: str
    definition: dict[str, Any]
    created_at: datetime


class RitualPage(TypedDict):
    items: list[RitualOut]
    next_cursor: str | None


class NewRitual(RequestBody):
    """A ritual to register; without `version` a changed definition becomes the next one."""

    name: str
    tag: str
    description: str = ""
    definition: dict[str, Any] = {}
    version: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None


class RitualSource(RequestBody):
    """A ritual as a file states it: the text of YAML or JSON."""

    text: Annotated[str, Field(max_length=documents.MAX_BYTES)]


class RitualCheckOut(TypedDict):
    """What a file states: its cases, whether it needs a judge, and the ritual that it is already (null: none yet)."""

    name: str
    tag: str
    cases: int
    needs_judge: bool
    known: RitualOut | None


@routes.query("/rituals/check", scope="read", body=RitualSource, response_schema=RitualCheckOut)
def check_ritual(request: AuthenticatedRequest, body: RitualSource) -> RitualCheckOut:
    """Read a ritual from the text of a file and store nothing. `rows` name every place that is wrong, such as
    `cases.3.assert.0`."""
    parsed = definitions.parse_definition(body.text)
    known = Ritual.objects.filter(
        name=parsed.name, tag=parsed.tag, definition=dict(parsed.document)
    )
    newest = known.order_by("-version").first()
    return {
        "name": parsed.name,
        "tag": parsed.tag,
        "cases": len(parsed.cases),
        "needs_judge": parsed.needs_judge,
        "known": None if newest is None else _serialize(newest),
    }


@routes.post("/rituals/load", scope="registry", body=RitualSource, response_schema=RitualOut)
def load_ritual(request: AuthenticatedRequest, body: RitualSource) -> WriteResult[RitualOut]:
    """Register the ritual that the text of a file (YAML or JSON) states.

    The same definition again returns what is there; a changed one becomes the next version. It takes the role operator
    in some team.
    """
    permissions.require_role_in_any_team(request.auth, Role.OPERATOR)
    row = definitions.load_ritual(text=body.text, caller=request.auth)
    return WriteResult(body=_serialize(row), location=f"/api/v1/rituals/{row.pk}")


@routes.get("/rituals", scope="read", response_schema=RitualPage, error_statuses=(400,))
def list_rituals(
    request: AuthenticatedRequest,
    limit: pagination.Limit,
    cursor: pagination.Cursor,
    name: Annotated[
        str | None, Query(None, max_length=200, description="the versions of this one alone")
    ],
) -> RitualPage:
    """List the rituals, newest first."""
    rows = Ritual.objects.order_by("-id")
    if name is not None:
        rows = rows.filter(name=name)
    page, next_cursor = pagination.paginate_by_id(rows, limit=limit, cursor=cursor)
    return {"items": [_serialize(row) for row in page], "next_cursor": next_cursor}


@routes.get("/rituals/named", scope="read", response_schema=RitualOut, error_statuses=(404,))
def find_ritual(request: AuthenticatedRequest, ref: Reference) -> RitualOut:
    """Find a ritual by `name` (its newest version), `name@version` or id."""
    return _serialize(rituals.resolve(reference=ref))


@routes.get("/rituals/{int:ritual_id}", scope="read", response_schema=RitualOut)
def get_ritual(request: AuthenticatedRequest, ritual_id: Id) -> RitualOut:
    """Show one version of a ritual."""
    return _serialize(get_or_404.get_by_id(Ritual.objects.all(), pk=ritual_id))


@routes.post("/rituals", scope="registry", body=NewRitual, response_schema=RitualOut)
def register_ritual(request: AuthenticatedRequest, body: NewRitual) -> WriteResult[RitualOut]:
    """Register a ritual.

    The same definition again returns what is there; a changed one becomes the next version. It takes the role operator
    in some team.
    """
    permissions.require_role_in_any_team(request.auth, Role.OPERATOR)
    row = rituals.register(
        name=body.name,
        tag=body.tag,
        description=body.description,
        definition=body.definition,
        version=body.version,
        caller=request.auth,
    )
    return WriteResult(body=_serialize(row), location=f"/api/v1/rituals/{row.pk}")


def _serialize(row: Ritual) -> RitualOut:
    return {
        "id": row.pk,
        "name": row.name,
        "version": row.version,
        "tag": row.tag,
        "description": row.description,
        "definition": row.definition,
        "created_at": row.created_at,
    }
