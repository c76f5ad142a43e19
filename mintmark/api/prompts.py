"""`/prompts`: exact texts, found by everybody, read by those who are entitled."""

from datetime import datetime
from typing import Annotated, TypedDict

from django.db.models import Q
from ninja import Query
from pydantic import Field

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Team
from mintmark.common import errors
from mintmark.registry import assistants, codices, prompts
from mintmark.registry.models import Assistant, Prompt

from . import clause_schemas, pagination, permissions
from .authentication import AuthenticatedRequest
from .clause_schemas import ClauseResultOut
from .endpoints import Routes
from .request_body import MAX_ID, Id, Reference, RequestBody
from .responses import WriteResult

routes = Routes(tag="prompts")


class PromptSummary(TypedDict):
    """What everybody may know of a prompt; its reputation is at `/prompts/{id}/reputation`."""

    id: int
    reference: str
    digest: str
    title: str
    preview: str
    parent: int | None
    derivation: str
    mutation_note: str
    variables: list[str]
    tags: list[str]
    licence: str
    team: str
    created_at: datetime


class PromptOut(PromptSummary):
    """A prompt; `text` is null to a caller who is not entitled to it. Once `withdrawn_at` is set nobody may use it: its
    own team still reads what it was."""

    text: str | None
    withdrawn_at: datetime | None


class PromptTextOut(TypedDict):
    """The exact text and the SHA-256 of its UTF-8 bytes."""

    id: int
    digest: str
    text: str


class PromptPage(TypedDict):
    items: list[PromptSummary]
    next_cursor: str | None


class RegisteredPromptOut(PromptOut):
    """A prompt as it was registered; `findings` are the clauses of the codex that binds everybody which its text
    breaks. They refuse nothing here: a blocking one stands in the way of injecting it."""

    findings: list[ClauseResultOut]


class NewPrompt(RequestBody):
    """A text to register for ever. `parent`, a text of the same team, makes it a revision (same line) or a fork; other
    teams' are forked at `/prompts/{id}/forks`."""

    namespace: str
    name: str
    text: str
    team: str | None = None
    revision: int | None = None
    title: Annotated[str, Field(max_length=200)] = ""
    preview: Annotated[str, Field(max_length=400)] = ""
    is_open: bool = False
    parent: Id | Reference | None = None
    mutation_note: Annotated[str, Field(max_length=200)] = ""
    forked_by: Id | Reference | None = None
    tags: Annotated[list[str], Field(max_length=50)] = []
    licence: Annotated[str, Field(max_length=64)] = ""
    variables: Annotated[list[str], Field(max_length=200)] | None = None


@routes.get("/prompts", scope="read", response_schema=PromptPage, error_statuses=(400,))
def list_prompts(
    request: AuthenticatedRequest,
    limit: pagination.Limit,
    cursor: pagination.Cursor,
    search: Annotated[
        str, Query("", max_length=200, description="part of a namespace, name, title or preview")
    ],
    tag: Annotated[str | None, Query(None, max_length=100)],
    ritual: Annotated[int | None, Query(None, ge=1, le=MAX_ID, description="its home ritual")],
) -> PromptPage:
    """List prompts, newest first."""
    rows = Prompt.objects.select_related("team")
    if search:
        rows = rows.filter(
            Q(namespace__icontains=search)
            | Q(name__icontains=search)
            | Q(title__icontains=search)
            | Q(preview__icontains=search)
        )
    if tag is not None:
        rows = rows.filter(taggings__tag=tag)
    if ritual is not None:
        rows = rows.filter(standing__ritual=ritual)
    rows = rows.defer("text", "wording").order_by("-id")
    page, next_cursor = pagination.paginate_by_id(rows, limit=limit, cursor=cursor)
    return {"items": [_serialize_summary(row) for row in page], "next_cursor": next_cursor}


@routes.get("/prompts/named", scope="read", response_schema=PromptOut, error_statuses=(404,))
def find_prompt(request: AuthenticatedRequest, ref: Reference) -> PromptOut:
    """Find a prompt.

    `ref` is `namespace/name@3`, `namespace/name@label`, `namespace/name` (the latest revision), `sha256:…` or an id.
    """
    return serialize_prompt(prompts.resolve(reference=ref), caller=request.auth)


@routes.get("/prompts/{int:prompt_id}", scope="read", response_schema=PromptOut)
def get_prompt(request: AuthenticatedRequest, prompt_id: Id) -> PromptOut:
    """Show a prompt, with its text to those who are entitled to it."""
    return serialize_prompt(prompts.resolve(reference=str(prompt_id)), caller=request.auth)


@routes.get("/prompts/{int:prompt_id}/text", scope="read", response_schema=PromptTextOut)
def get_prompt_text(request: AuthenticatedRequest, prompt_id: Id) -> PromptTextOut:
    """Read the exact text of a prompt that is open, or that the caller's teams own or are entitled to."""
    row = prompts.resolve(reference=str(prompt_id))
    require_reader(request.auth, row)
    return {"id": row.pk, "digest": f"sha256:{row.digest}", "text": row.text}


@routes.post(
    "/prompts",
    scope="registry",
    body=NewPrompt,
    response_schema=RegisteredPromptOut,
    error_statuses=(404,),
)
def register_prompt(
    request: AuthenticatedRequest, body: NewPrompt
) -> WriteResult[RegisteredPromptOut]:
    """Register an immutable prompt.

    Without `revision` it takes the line's next. The same text under the same revision again returns what is there. It
    takes the role author in the team. A parent of another team is forked at `/prompts/{id}/forks`, where its licence
    and royalties are kept.
    """
    team = permissions.resolve_team(request.auth, name=body.team)
    prompts.require_author(caller=request.auth, team=team)
    row = prompts.register(
        draft=prompts.PromptDraft(
            namespace=body.namespace,
            name=body.name,
            text=body.text,
            revision=body.revision,
            title=body.title,
            preview=body.preview,
            is_open=body.is_open,
            parent=_resolve_parent(request.auth, body.parent, team=team),
            mutation_note=body.mutation_note,
            forked_by=resolve_forker(request.auth, body.forked_by),
            tags=body.tags,
            licence=body.licence,
            variables=body.variables,
        ),
        author=request.auth.principal,
        team=team,
    )
    (clause_report,) = codices.check_prompts(prompts=[row])
    return WriteResult(
        body={
            **serialize_prompt(row, caller=request.auth),
            "findings": clause_schemas.serialize_clause_results(clause_report.failed_results),
        },
        location=f"/api/v1/prompts/{row.pk}",
    )


def _resolve_parent(caller: Caller, reference: int | str | None, *, team: Team) -> Prompt | None:
    """The parent, whose reputation the child starts from: a text of the same team, which needs no licence for it."""
    if reference is None:
        return None
    parent = prompts.resolve(reference=str(reference))
    require_reader(caller, parent)
    if parent.team_id != team.pk:
        raise errors.Forbidden(
            f"{parent.reference} belongs to team {parent.team}: fork it at POST /api/v1/prompts/{parent.pk}/forks, "
            "where its licence and royalties are kept."
        )
    return parent


def resolve_forker(caller: Caller, reference: int | str | None) -> Assistant | None:
    """The assistant that made a fork, which must be the caller's to operate."""
    if reference is None:
        return None
    assistant = assistants.resolve(reference=str(reference))
    assistants.require_operator(caller=caller, team_id=assistant.team_id)
    return assistant


def require_reader(caller: Caller, prompt: Prompt) -> None:
    """Refuse unless the caller may read this prompt's text."""
    if not prompts.may_read_text(caller=caller, prompt=prompt):
        raise errors.Forbidden(
            f"The text of {prompt.reference} is for its team and those entitled to it; its reputation is open."
        )


def serialize_prompt(row: Prompt, *, caller: Caller) -> PromptOut:
    """A prompt as this caller may see it."""
    is_readable = prompts.may_read_text(caller=caller, prompt=row)
    return {
        **_serialize_summary(row),
        "text": row.text if is_readable else None,
        "withdrawn_at": row.tombstone.set_at if hasattr(row, "tombstone") else None,
    }


def _serialize_summary(row: Prompt) -> PromptSummary:
    return {
        "id": row.pk,
        "reference": row.reference,
        "digest": f"sha256:{row.digest}",
        "title": row.title,
        "preview": row.preview,
        "parent": row.parent_id,
        "derivation": row.derivation,
        "mutation_note": row.mutation_note,
        "variables": row.variables,
        "tags": row.tags,
        "licence": row.licence,
        "team": row.team.name,
        "created_at": row.created_at,
    }
