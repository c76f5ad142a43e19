"""`/labels`: names such as `production` on a line of prompts, moved by hand, each move on record."""

from datetime import datetime
from typing import Annotated, TypedDict

from django.utils import timezone
from ninja import Query

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role
from mintmark.core import errors
from mintmark.registry import labels, prompts
from mintmark.registry.models import Label, LabelMove, Prompt

from . import paging, permissions, shapes
from .bodies import Body, Id, Reference
from .credentials import Request
from .routes import Routes

routes = Routes(tag="labels")

# A line's name may hold slashes; a label can't.
LABEL = "/labels/{namespace}/{path:name}/{label}"

Line = Annotated[str, Query(max_length=265, description="a line of prompts, `namespace/name`")]


class LabelShape(TypedDict):
    """Where a label stands."""

    namespace: str
    name: str
    label: str
    prompt: shapes.PromptNamed


class Labels(TypedDict):
    items: list[LabelShape]
    next_cursor: str | None


class MoveShape(TypedDict):
    """One move of a label; `before` or `after` is null where it did not stand or was taken away."""

    id: int
    label: str
    before: shapes.PromptNamed | None
    after: shapes.PromptNamed | None
    actor: str
    reason: str
    moved_at: datetime


class MovePage(TypedDict):
    items: list[MoveShape]
    next_cursor: str | None


class Standing(Body):
    """Where a label is to stand, and why."""

    prompt: Id | Reference
    reason: str = ""


@routes.get("/labels/moves", scope="read", answer=MovePage, refuses=(400, 404))
def moves(request: Request, line: Line, limit: paging.Limit, cursor: paging.Cursor) -> MovePage:
    """List the moves of a line's labels, newest first: what was in production when, by whom and why."""
    newest = _newest(line)
    rows = labels.history(namespace=newest.namespace, name=newest.name)
    page, following = paging.newest(rows, limit=limit, cursor=cursor)
    return {"items": [_move(row) for row in page], "next_cursor": following}


@routes.get("/labels", scope="read", answer=Labels, refuses=(400, 404))
def standing(request: Request, line: Line, limit: paging.Limit, cursor: paging.Cursor) -> Labels:
    """List where the labels of a line stand."""
    newest = _newest(line)
    rows = Label.objects.filter(namespace=newest.namespace, name=newest.name).select_related(
        "prompt"
    )
    page, following = paging.page(
        sorted(rows, key=lambda row: row.label), limit=limit, cursor=cursor, like=("",), key=lambda row: (row.label,)
    )  # fmt: skip
    return {"items": [_shape(row) for row in page], "next_cursor": following}


@routes.put(LABEL, scope="registry", body=Standing, answer=LabelShape)
def put(request: Request, namespace: str, name: str, label: str, body: Standing) -> LabelShape:
    """Move a label to a revision of its line, for every reader at once.

    It takes the role author or operator in the line's team.
    """
    _require_mover(request.auth, _newest(f"{namespace}/{name}"))
    prompt = prompts.named(reference=str(body.prompt))
    _move_to(request.auth, namespace, name, label, prompt=prompt, reason=body.reason)
    return {"namespace": namespace, "name": name, "label": label, "prompt": shapes.prompt(prompt)}


@routes.delete(LABEL, scope="registry")
def removed(request: Request, namespace: str, name: str, label: str, reason: str = "") -> None:
    """Take a label away, from every reader at once.

    It takes the role author or operator in the line's team.
    """
    _require_mover(request.auth, _newest(f"{namespace}/{name}"))
    if not Label.objects.filter(namespace=namespace, name=name, label=label).exists():
        raise errors.NotFound(f"{namespace}/{name} has no label {label[:64]!r}.")
    _move_to(request.auth, namespace, name, label, prompt=None, reason=reason)


def _move_to(
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


def _newest(line: str) -> Prompt:
    """The newest prompt of a line."""
    if "@" in line or "/" not in line:
        raise errors.NotFound(f"{line[:200]!r} is no line; name it as namespace/name.")
    return prompts.named(reference=line)


def _require_mover(caller: Caller, line: Prompt) -> None:
    permissions.require_in_team(caller, Role.AUTHOR, Role.OPERATOR, team=line.team)


def _shape(row: Label) -> LabelShape:
    return {
        "namespace": row.namespace,
        "name": row.name,
        "label": row.label,
        "prompt": shapes.prompt(row.prompt),
    }


def _move(row: LabelMove) -> MoveShape:
    return {
        "id": row.pk,
        "label": row.label,
        "before": shapes.prompt(row.before) if row.before is not None else None,
        "after": shapes.prompt(row.after) if row.after is not None else None,
        "actor": row.actor.name,
        "reason": row.reason,
        "moved_at": row.moved_at,
    }
