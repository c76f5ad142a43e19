"""`/rituals`: the protocols that evidence is measured with."""

from datetime import datetime
from typing import Annotated, Any, TypedDict

from ninja import Query
from pydantic import Field

from mintmark.accounts.models import Role
from mintmark.registry import rituals
from mintmark.registry.models import Ritual
from mintmark.rituals import definitions, documents

from . import lookups, paging, permissions
from .answers import Created
from .bodies import Body, Id, Reference
from .credentials import Request
from .routes import Routes

routes = Routes(tag="rituals")


class RitualShape(TypedDict):
    """One version of a ritual; `tag` is the task that it measures."""

    id: int
    name: str
    version: int
    tag: str
    description: str
    definition: dict[str, Any]
    created_at: datetime


class RitualPage(TypedDict):
    items: list[RitualShape]
    next_cursor: str | None


class NewRitual(Body):
    """A ritual to register; without `version` a changed definition becomes the next one."""

    name: str
    tag: str
    description: str = ""
    definition: dict[str, Any] = {}
    version: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None


class Document(Body):
    """A ritual as a file states it: the text of YAML or JSON."""

    text: Annotated[str, Field(max_length=documents.MAX_BYTES)]


class ReadShape(TypedDict):
    """What a file states: its cases, whether it needs a judge, and the ritual that it is already (null: none yet)."""

    name: str
    tag: str
    cases: int
    needs_judge: bool
    known: RitualShape | None


@routes.ask("/rituals/check", scope="read", body=Document, answer=ReadShape)
def checked(request: Request, body: Document) -> ReadShape:
    """Read a ritual from the text of a file and store nothing. `rows` name every place that is wrong, such as
    `cases.3.assert.0`."""
    read = definitions.read(body.text)
    known = Ritual.objects.filter(name=read.name, tag=read.tag, definition=dict(read.document))
    newest = known.order_by("-version").first()
    return {
        "name": read.name,
        "tag": read.tag,
        "cases": len(read.cases),
        "needs_judge": read.needs_judge,
        "known": None if newest is None else _shape(newest),
    }


@routes.post("/rituals/load", scope="registry", body=Document, answer=RitualShape)
def loaded(request: Request, body: Document) -> Created[RitualShape]:
    """Register the ritual that the text of a file (YAML or JSON) states.

    The same definition again returns what is there; a changed one becomes the next version. It takes the role operator
    in some team.
    """
    permissions.require_somewhere(request.auth, Role.OPERATOR)
    row = definitions.load(text=body.text)
    return Created(body=_shape(row), location=f"/api/v1/rituals/{row.pk}")


@routes.get("/rituals", scope="read", answer=RitualPage, refuses=(400,))
def listed(
    request: Request,
    limit: paging.Limit,
    cursor: paging.Cursor,
    name: Annotated[
        str | None, Query(None, max_length=200, description="the versions of this one alone")
    ],
) -> RitualPage:
    """List the rituals, newest first."""
    rows = Ritual.objects.order_by("-id")
    if name is not None:
        rows = rows.filter(name=name)
    page, following = paging.newest(rows, limit=limit, cursor=cursor)
    return {"items": [_shape(row) for row in page], "next_cursor": following}


@routes.get("/rituals/named", scope="read", answer=RitualShape, refuses=(404,))
def named(request: Request, ref: Reference) -> RitualShape:
    """Find a ritual by `name` (its newest version), `name@version` or id."""
    return _shape(rituals.named(reference=ref))


@routes.get("/rituals/{int:ritual_id}", scope="read", answer=RitualShape)
def shown(request: Request, ritual_id: Id) -> RitualShape:
    """Show one version of a ritual."""
    return _shape(lookups.by_id(Ritual.objects.all(), pk=ritual_id))


@routes.post("/rituals", scope="registry", body=NewRitual, answer=RitualShape)
def registered(request: Request, body: NewRitual) -> Created[RitualShape]:
    """Register a ritual.

    The same definition again returns what is there; a changed one becomes the next version. It takes the role operator
    in some team.
    """
    permissions.require_somewhere(request.auth, Role.OPERATOR)
    row = rituals.register(
        name=body.name,
        tag=body.tag,
        description=body.description,
        definition=body.definition,
        version=body.version,
    )
    return Created(body=_shape(row), location=f"/api/v1/rituals/{row.pk}")


def _shape(row: Ritual) -> RitualShape:
    return {
        "id": row.pk,
        "name": row.name,
        "version": row.version,
        "tag": row.tag,
        "description": row.description,
        "definition": row.definition,
        "created_at": row.created_at,
    }
