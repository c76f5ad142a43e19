"""`/codices`: rule sets in plain words."""

from datetime import datetime
from typing import Any, TypedDict

from mintmark.accounts.models import Role
from mintmark.registry import codices
from mintmark.registry.models import Codex

from . import lookups, paging, permissions
from .answers import Created
from .bodies import Body, Id, Reference
from .credentials import Request
from .routes import Routes

routes = Routes(tag="codices")


class CodexShape(TypedDict):
    """One version of a rule set."""

    id: int
    name: str
    version: int
    description: str
    clauses: list[dict[str, Any]]
    created_at: datetime


class CodexPage(TypedDict):
    items: list[CodexShape]
    next_cursor: str | None


class NewCodex(Body):
    """A rule set to register. Each clause has `id`, `text`, `severity` (warn, block), `applies_to` (prompt, output) and
    `check`."""

    name: str
    clauses: list[dict[str, Any]]
    description: str = ""


@routes.get("/codices", scope="read", answer=CodexPage, refuses=(400,))
def listed(request: Request, limit: paging.Limit, cursor: paging.Cursor) -> CodexPage:
    """List the codices, newest first."""
    rows = Codex.objects.order_by("-id")
    after = paging.read(cursor, like=(0,))
    if after is not None:
        rows = rows.filter(id__lt=after[0])
    page, following = paging.cut(list(rows[: limit + 1]), limit=limit, key=lambda row: (row.pk,))
    return {"items": [_shape(row) for row in page], "next_cursor": following}


@routes.get("/codices/named", scope="read", answer=CodexShape, refuses=(404,))
def named(request: Request, ref: Reference) -> CodexShape:
    """Find a codex by `name` (its newest version), `name@version` or id."""
    return _shape(codices.named(reference=ref))


@routes.get("/codices/{int:codex_id}", scope="read", answer=CodexShape)
def shown(request: Request, codex_id: Id) -> CodexShape:
    """Show one version of a codex."""
    return _shape(lookups.by_id(Codex.objects.all(), pk=codex_id))


@routes.post("/codices", scope="registry", body=NewCodex, answer=CodexShape)
def registered(request: Request, body: NewCodex) -> Created[CodexShape]:
    """Register a codex.

    The same clauses again return what is there; changed ones become the next version. It takes the role operator in
    some team.
    """
    permissions.require_somewhere(request.auth, Role.OPERATOR)
    row = codices.register(name=body.name, clauses=body.clauses, description=body.description)
    return Created(body=_shape(row), location=f"/api/v1/codices/{row.pk}")


def _shape(row: Codex) -> CodexShape:
    return {
        "id": row.pk,
        "name": row.name,
        "version": row.version,
        "description": row.description,
        "clauses": row.clauses,
        "created_at": row.created_at,
    }
