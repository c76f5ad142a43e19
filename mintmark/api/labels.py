"""`/labels`: names such as `production` on a line of prompts, moved by hand, each move on record."""

from datetime import datetime
from typing import Annotated, TypedDict

from django.utils import timezone
from ninja import Query

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role
from mintmark.common import errors
from mintmark.registry import labels, prompts
from mintmark.registry.models import Label, LabelMove, Prompt

from . import pagination, permissions, schemas
from .authentication import AuthenticatedRequest
from .endpoints import Routes
from .request_body import Id, Reference, RequestBody

routes = Routes(tag="labels")

# A line's name may hold slashes; a label can't.
LABEL_PATH = "/labels/{namespace}/{path:name}/{label}"

PromptNameQuery = Annotated[
    str, Query(max_length=265, description="a line of prompts, `namespace/name`")
]


class LabelOut(TypedDict):
    """Where a label stands."""

    namespace: str
    name: str
    label: str
    prompt: schemas.PromptRef


class LabelPage(TypedDict):
    items: list[LabelOut]
    next_cursor: str | None


class LabelMoveOut(TypedDict):
    """One move of a label; `before` or `after` is null where it did not stand or was taken away."""

    id: int
    label: str
    before: schemas.PromptRef | None
    after: schemas.PromptRef | None
    actor: str
    reason: str
    moved_at: datetime


class LabelMovePage(TypedDict):
    items: list[LabelMoveOut]
    next_cursor: str | None


class LabelTarget(RequestBody):
    """Where a label is to stand, and why."""

    prompt: Id | Reference
    reason: str = ""


@routes.get("/labels/moves", scope="read", response_schema=LabelMovePage, error_statuses=(400, 404))
def list_label_moves(
    request: AuthenticatedRequest,
    line: PromptNameQuery,
    limit: pagination.Limit,
    cursor: pagination.Cursor,
) -> LabelMovePage:
    """List the moves of a line's labels, newest first: what was in production when, by whom and why."""
    newest = _get_newest_revision(line)
    rows = labels.list_moves(namespace=newest.namespace, name=newest.name)
    page, next_cursor = pagination.paginate_by_id(rows, limit=limit, cursor=cursor)
    return {"items": [_serialize_move(row) for row in page], "next_cursor": next_cursor}


@routes.get("/labels", scope="read", response_schema=LabelPage, error_statuses=(400, 404))
def list_labels(
    request: AuthenticatedRequest,
    line: PromptNameQuery,
    limit: pagination.Limit,
    cursor: pagination.Cursor,
) -> LabelPage:
    """List the labels of a prompt line and the revisions they point to."""
    newest = _get_newest_revision(line)
    rows = Label.objects.filter(namespace=newest.namespace, name=newest.name).select_related(
        "prompt"
    )
    page, next_cursor = pagination.paginate_list(
        sorted(rows, key=lambda row: row.label), limit=limit, cursor=cursor, key_types=("",),
        key=lambda row: (row.label,),
    )  # fmt: skip
    return {"items": [_serialize(row) for row in page], "next_cursor": next_cursor}


@routes.put(LABEL_PATH, scope="registry", body=LabelTarget, response_schema=LabelOut)
def move_label(
    request: AuthenticatedRequest, namespace: str, name: str, label: str, body: LabelTarget
) -> LabelOut:
    """Move a label to a revision of its line, for every reader at once.

    It takes the role author or operator in the line's team.
    """
    _require_mover(request.auth, _get_newest_revision(f"{namespace}/{name}"))
    prompt = prompts.resolve(reference=str(body.prompt))
    _apply_move(request.auth, namespace, name, label, prompt=prompt, reason=body.reason)
    return {
        "namespace": namespace,
        "name": name,
        "label": label,
        "prompt": schemas.serialize_prompt_ref(prompt),
    }


@routes.delete(LABEL_PATH, scope="registry")
def remove_label(
    request: AuthenticatedRequest, namespace: str, name: str, label: str, reason: str = ""
) -> None:
    """Remove a label, for every reader at once.

    It takes the role author or operator in the line's team.
    """
    _require_mover(request.auth, _get_newest_revision(f"{namespace}/{name}"))
    if not Label.objects.filter(namespace=namespace, name=name, label=label).exists():
        raise errors.NotFound(f"{namespace}/{name} has no label {label[:64]!r}.")
    _apply_move(request.auth, namespace, name, label, prompt=None, reason=reason)


def _apply_move(
    caller: Caller, namespace: str, name: str, label: str, *, prompt: Prompt | None, reason: str
) -> None:
    labels.move(
        namespace=namespace,
        name=name,
        label=label,
        prompt=prompt,
        actor=caller.principal,
        reason=reason,
        now=timezone.now(),
    )


def _get_newest_revision(prompt_name: str) -> Prompt:
    """The newest prompt of a line."""
    if "@" in prompt_name or "/" not in prompt_name:
        raise errors.NotFound(f"{prompt_name[:200]!r} is no line; name it as namespace/name.")
    return prompts.resolve(reference=prompt_name)


def _require_mover(caller: Caller, newest: Prompt) -> None:
    permissions.require_role_in_team(caller, Role.AUTHOR, Role.OPERATOR, team=newest.team)


def _serialize(row: Label) -> LabelOut:
    return {
        "namespace": row.namespace,
        "name": row.name,
        "label": row.label,
        "prompt": schemas.serialize_prompt_ref(row.prompt),
    }


def _serialize_move(row: LabelMove) -> LabelMoveOut:
    return {
        "id": row.pk,
        "label": row.label,
        "before": schemas.serialize_prompt_ref(row.before) if row.before is not None else None,
        "after": schemas.serialize_prompt_ref(row.after) if row.after is not None else None,
        "actor": row.actor.name,
        "reason": row.reason,
        "moved_at": row.moved_at,
    }
