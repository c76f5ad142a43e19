"""`/codices`: rule sets in plain words."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self, TypedDict

from pydantic import Field, model_validator

from mintmark.accounts.models import Role
from mintmark.registry import codices
from mintmark.registry.models import Codex
from mintmark.textchecks import clauses

from . import clause_schemas, get_or_404, pagination, permissions
from .authentication import AuthenticatedRequest
from .clause_schemas import ClauseResultOut
from .endpoints import Routes
from .request_body import Id, Reference, RequestBody
from .responses import WriteResult

routes = Routes(tag="codices")


class CodexOut(TypedDict):
    """One version of a rule set."""

    id: int
    name: str
    version: int
    description: str
    clauses: list[dict[str, Any]]
    created_at: datetime


class CodexPage(TypedDict):
    items: list[CodexOut]
    next_cursor: str | None


class NewCodex(RequestBody):
    """A rule set to register. Each clause has `id`, `text`, `severity` (warn, block), `applies_to` (prompt, output) and
    `check`."""

    name: str
    clauses: list[dict[str, Any]]
    description: str = ""


class NewDefaultCodex(RequestBody):
    """The clauses that bind everybody from now on, each as those of a codex."""

    clauses: list[dict[str, Any]]
    description: str = ""


class TextCheck(RequestBody):
    """A text to check: with the codex named, or with the clauses given, which are not stored. `variables` are the
    placeholders that a prompt's text has to hold."""

    text: Annotated[str, Field(max_length=clauses.MAX_CHECKED_CHARACTERS)]
    codex: Id | Reference | None = None
    clauses: list[dict[str, Any]] | None = None
    applies_to: Literal["prompt", "output"] = "prompt"
    variables: Annotated[list[str], Field(max_length=200)] = []

    @model_validator(mode="after")
    def _require_one_source(self) -> Self:
        if (self.codex is None) == (self.clauses is None):
            raise ValueError("Name a `codex`, or give `clauses`; not both")
        return self


class TextCheckOut(TypedDict):
    """What each clause that applies says, in their order; `blocks` where one stands in the way."""

    blocks: bool
    verdicts: list[ClauseResultOut]


@routes.query(
    "/codices/check",
    scope="read",
    body=TextCheck,
    response_schema=TextCheckOut,
    error_statuses=(404,),
)
def check_text(request: AuthenticatedRequest, body: TextCheck) -> TextCheckOut:
    """Check a text with a codex, or with clauses that are not registered yet; nothing is stored.

    Clauses of the kind `judge` stay undecided here: a ritual's judge decides them.
    """
    if body.codex is not None:
        codex = codices.resolve(reference=str(body.codex))
        name, rule_clauses = str(codex), codex.clauses
    else:
        name, rule_clauses = "", codices.validate(clauses=body.clauses or [])
    if body.applies_to == "prompt":
        results = clauses.evaluate_prompt_text(
            clauses=rule_clauses, text=body.text, variables=body.variables, codex=name
        )
    else:
        results = clauses.evaluate_output(clauses=rule_clauses, text=body.text, codex=name)
    return {
        "blocks": any(result.blocks for result in results),
        "verdicts": clause_schemas.serialize_clause_results(results),
    }


@routes.get("/codices", scope="read", response_schema=CodexPage, error_statuses=(400,))
def list_codices(
    request: AuthenticatedRequest, limit: pagination.Limit, cursor: pagination.Cursor
) -> CodexPage:
    """List the codices, newest first."""
    rows = Codex.objects.order_by("-id")
    page, next_cursor = pagination.paginate_by_id(rows, limit=limit, cursor=cursor)
    return {"items": [_serialize(row) for row in page], "next_cursor": next_cursor}


@routes.get("/codices/named", scope="read", response_schema=CodexOut, error_statuses=(404,))
def find_codex(request: AuthenticatedRequest, ref: Reference) -> CodexOut:
    """Find a codex by `name` (its newest version), `name@version` or id."""
    return _serialize(codices.resolve(reference=ref))


@routes.get("/codices/default", scope="read", response_schema=CodexOut)
def get_default_codex(request: AuthenticatedRequest) -> CodexOut:
    """Show the codex that binds every prompt and every output: the newest version of `default`."""
    return _serialize(codices.get_default())


@routes.put("/codices/default", scope="registry", body=NewDefaultCodex, response_schema=CodexOut)
def change_default_codex(request: AuthenticatedRequest, body: NewDefaultCodex) -> CodexOut:
    """Replace the clauses that bind every prompt and output: they become the next version of `default`. It takes an
    admin."""
    return _serialize(
        codices.change_default(
            caller=request.auth, clauses=body.clauses, description=body.description
        )
    )


@routes.get("/codices/{int:codex_id}", scope="read", response_schema=CodexOut)
def get_codex(request: AuthenticatedRequest, codex_id: Id) -> CodexOut:
    """Show one version of a codex."""
    return _serialize(get_or_404.get_by_id(Codex.objects.all(), pk=codex_id))


@routes.post("/codices", scope="registry", body=NewCodex, response_schema=CodexOut)
def register_codex(request: AuthenticatedRequest, body: NewCodex) -> WriteResult[CodexOut]:
    """Register a codex.

    The same clauses again return what is there; changed ones become the next version. It takes the role operator in
    some team.
    """
    permissions.require_role_in_any_team(request.auth, Role.OPERATOR)
    row = codices.register(
        name=body.name,
        clauses=body.clauses,
        description=body.description,
        caller=request.auth,
    )
    return WriteResult(body=_serialize(row), location=f"/api/v1/codices/{row.pk}")


def _serialize(row: Codex) -> CodexOut:
    return {
        "id": row.pk,
        "name": row.name,
        "version": row.version,
        "description": row.description,
        "clauses": row.clauses,
        "created_at": row.created_at,
    }
