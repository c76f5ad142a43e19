"""`/codices`: rule sets in plain words."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self, TypedDict

from pydantic import Field, model_validator

from mintmark.accounts.models import Role
from mintmark.core import clauses
from mintmark.registry import codices
from mintmark.registry.models import Codex

from . import lookups, paging, permissions, verdicts
from .answers import Created
from .bodies import Body, Id, Reference
from .credentials import Request
from .routes import Routes
from .verdicts import VerdictShape

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


class NewDefault(Body):
    """The clauses that bind everybody from now on, each as those of a codex."""

    clauses: list[dict[str, Any]]
    description: str = ""


class Question(Body):
    """A text to check: with the codex named, or with the clauses given, which are not stored. `variables` are the
    placeholders that a prompt's text has to hold."""

    text: Annotated[str, Field(max_length=clauses.LONGEST_SUBJECT)]
    codex: Id | Reference | None = None
    clauses: list[dict[str, Any]] | None = None
    applies_to: Literal["prompt", "output"] = "prompt"
    variables: Annotated[list[str], Field(max_length=200)] = []

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.codex is None) == (self.clauses is None):
            raise ValueError("Name a `codex`, or give `clauses`; not both")
        return self


class CheckedShape(TypedDict):
    """What each clause that applies says, in their order; `blocks` where one stands in the way."""

    blocks: bool
    verdicts: list[VerdictShape]


@routes.ask("/codices/check", scope="read", body=Question, answer=CheckedShape, refuses=(404,))
def checked(request: Request, body: Question) -> CheckedShape:
    """Check a text with a codex, or with clauses that are not registered yet; nothing is stored.

    Clauses of the kind `judge` stay undecided here: a ritual's judge decides them.
    """
    if body.codex is not None:
        codex = codices.named(reference=str(body.codex))
        name, rules = str(codex), codex.clauses
    else:
        name, rules = "", codices.valid(clauses=body.clauses or [])
    if body.applies_to == "prompt":
        found = clauses.of_text(clauses=rules, text=body.text, variables=body.variables, codex=name)
    else:
        found = clauses.of_output(clauses=rules, text=body.text, codex=name)
    return {"blocks": any(one.blocks for one in found), "verdicts": verdicts.told(found)}


@routes.get("/codices", scope="read", answer=CodexPage, refuses=(400,))
def listed(request: Request, limit: paging.Limit, cursor: paging.Cursor) -> CodexPage:
    """List the codices, newest first."""
    rows = Codex.objects.order_by("-id")
    page, following = paging.newest(rows, limit=limit, cursor=cursor)
    return {"items": [_shape(row) for row in page], "next_cursor": following}


@routes.get("/codices/named", scope="read", answer=CodexShape, refuses=(404,))
def named(request: Request, ref: Reference) -> CodexShape:
    """Find a codex by `name` (its newest version), `name@version` or id."""
    return _shape(codices.named(reference=ref))


@routes.get("/codices/default", scope="read", answer=CodexShape)
def default_shown(request: Request) -> CodexShape:
    """Show the codex that binds every prompt and every output: the newest version of `default`."""
    return _shape(codices.default())


@routes.put("/codices/default", scope="registry", body=NewDefault, answer=CodexShape)
def default_changed(request: Request, body: NewDefault) -> CodexShape:
    """Let other clauses bind everybody, from now on: they become the next version of `default`. It takes an admin."""
    return _shape(
        codices.change_default(
            caller=request.auth, clauses=body.clauses, description=body.description
        )
    )


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
