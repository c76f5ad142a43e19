"""`/keys`: bearer keys, issued (the secret is shown once), listed and revoked."""

from datetime import datetime
from typing import Annotated, TypedDict

from django.db.models import Q, QuerySet
from django.utils import timezone
from pydantic import Field

from mintmark.accounts import keys
from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Key, Principal, Role
from mintmark.common import errors
from mintmark.registry import assistants

from . import pagination
from .authentication import AuthenticatedRequest
from .endpoints import Routes
from .request_body import Id, Reference, RequestBody
from .responses import WriteResult

routes = Routes(tag="keys")


class KeyOut(TypedDict):
    """A bearer key without its secret."""

    prefix: str
    holder: str
    scopes: list[str]
    note: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class IssuedKeyOut(KeyOut):
    """A key just issued; `secret` is shown this once, and null in a replayed answer."""

    secret: str | None


class KeyPage(TypedDict):
    items: list[KeyOut]
    next_cursor: str | None


class NewKey(RequestBody):
    """A key to issue: the caller's own, or that of an assistant which the caller operates."""

    scopes: list[str]
    assistant: Id | Reference | None = None
    note: Annotated[str, Field(max_length=200)] = ""
    expires_at: datetime | None = None


@routes.get("/keys", scope="admin", response_schema=KeyPage, error_statuses=(400,))
def list_keys(
    request: AuthenticatedRequest, limit: pagination.Limit, cursor: pagination.Cursor
) -> KeyPage:
    """List the caller's keys and those of the assistants that they operate, newest first."""
    rows = _list_manageable(request.auth).select_related("principal").order_by("-id")
    page, next_cursor = pagination.paginate_by_id(rows, limit=limit, cursor=cursor)
    return {"items": [_serialize(row) for row in page], "next_cursor": next_cursor}


@routes.post(
    "/keys", scope="admin", body=NewKey, response_schema=IssuedKeyOut, error_statuses=(404,)
)
def issue_key(request: AuthenticatedRequest, body: NewKey) -> WriteResult[IssuedKeyOut]:
    """Issue a key.

    Its holder is the caller, or an assistant of a team in which they are operator. The secret is not kept and can't be
    shown again.
    """
    now = timezone.now()
    if body.expires_at is not None and (body.expires_at.tzinfo is None or body.expires_at <= now):
        raise errors.DomainError(
            "expires_at is in the past or without its zone; name a time to come."
        )
    issued = keys.issue(
        principal=_resolve_holder(request.auth, body.assistant),
        scopes=body.scopes,
        note=body.note,
        expires_at=body.expires_at,
    )
    issued.key.refresh_from_db()
    serialized = _serialize(issued.key)
    return WriteResult(
        body={**serialized, "secret": issued.secret},
        location=f"/api/v1/keys/{issued.key.prefix}",
        replay_body={**serialized, "secret": None},
    )


@routes.delete("/keys/{prefix}", scope="admin")
def revoke_key(request: AuthenticatedRequest, prefix: str) -> None:
    """Revoke a key, at once and permanently."""
    key = _list_manageable(request.auth).filter(prefix=prefix).first()
    if key is None:
        raise errors.NotFound(f"The caller manages no key {prefix[:20]!r}.")
    keys.revoke(key=key, now=timezone.now())


def _list_manageable(caller: Caller) -> QuerySet[Key]:
    """The keys a caller may see and end: his own, and those of assistants of teams where he is operator."""
    if caller.is_admin:
        return Key.objects.all()
    teams = [team for team in caller.team_ids if caller.has_role(Role.OPERATOR, team_id=team)]
    kind = Principal.Kind.ASSISTANT
    operated_q = Q(principal__kind=kind, principal__assistant__team__in=teams)
    if caller.has_role(Role.OPERATOR, team_id=None):
        operated_q = Q(principal__kind=kind)
    return Key.objects.filter(Q(principal=caller.principal) | operated_q)


def _resolve_holder(caller: Caller, reference: int | str | None) -> Principal:
    if reference is None:
        return caller.principal
    assistant = assistants.resolve(reference=str(reference))
    if assistant.principal_id != caller.principal.pk:
        assistants.require_operator(caller=caller, team_id=assistant.team_id)
    return assistant.principal


def _serialize(row: Key) -> KeyOut:
    return {
        "prefix": row.prefix,
        "holder": row.principal.name,
        "scopes": row.scopes,
        "note": row.note,
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "revoked_at": row.revoked_at,
    }
