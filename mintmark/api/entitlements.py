"""`/prompts/{id}/entitlements`: who may use a prompt beside its own team; and its withdrawal for good."""

from datetime import datetime
from typing import TypedDict

from django.utils import timezone

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role, Team
from mintmark.common import errors
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.registry import entitlements
from mintmark.registry.models import Entitlement, Prompt

from . import get_or_404, pagination, schemas
from .authentication import AuthenticatedRequest
from .endpoints import Routes
from .request_body import Id, Reference, RequestBody
from .responses import WriteResult

routes = Routes(tag="entitlements")


class EntitlementOut(TypedDict):
    """A team that may use a prompt, until `ended_at` (null: it still may), and whether it was bought or why it was
    given."""

    id: int
    prompt: schemas.PromptRef
    team: str
    reason: str
    granted_at: datetime
    ended_at: datetime | None
    end_reason: str


class EntitlementPage(TypedDict):
    items: list[EntitlementOut]
    next_cursor: str | None


class TombstoneOut(TypedDict):
    """A prompt withdrawn from everywhere, for ever: by whom and why."""

    prompt: schemas.PromptRef
    actor: str
    reason: str
    set_at: datetime


class NewEntitlement(RequestBody):
    """A team that is to use a prompt, and why; the team reads the reason."""

    team: Reference
    reason: str


class NewTombstone(RequestBody):
    """Why a prompt must not be used any more; everybody who asks for it reads that."""

    reason: str


@routes.get(
    "/prompts/{int:prompt_id}/entitlements",
    scope="read",
    response_schema=EntitlementPage,
    error_statuses=(400,),
)
def list_prompt_entitlements(
    request: AuthenticatedRequest, prompt_id: Id, limit: pagination.Limit, cursor: pagination.Cursor
) -> EntitlementPage:
    """List the teams that may use a prompt, and those that might once, newest first: to its team and to auditors."""
    prompt = get_or_404.get_by_id(Prompt.objects.all(), pk=prompt_id)
    if not _may_see_all(request.auth, prompt):
        raise errors.Forbidden("Who may use a prompt is for its team and for auditors to see.")
    rows = Entitlement.objects.filter(prompt=prompt).select_related("prompt", "team")
    page, next_cursor = pagination.paginate_by_id(rows.order_by("-id"), limit=limit, cursor=cursor)
    return {"items": [_serialize(row) for row in page], "next_cursor": next_cursor}


@routes.get("/entitlements", scope="read", response_schema=EntitlementPage, error_statuses=(400,))
def list_entitlements(
    request: AuthenticatedRequest, limit: pagination.Limit, cursor: pagination.Cursor
) -> EntitlementPage:
    """List what the caller's teams may use beside their own, newest first."""
    rows = entitlements.list_held_grants(team_ids=request.auth.team_ids)
    page, next_cursor = pagination.paginate_by_id(rows, limit=limit, cursor=cursor)
    return {"items": [_serialize(row) for row in page], "next_cursor": next_cursor}


@routes.post(
    "/prompts/{int:prompt_id}/entitlements",
    scope="market",
    body=NewEntitlement,
    response_schema=EntitlementOut,
)
def grant_entitlement(
    request: AuthenticatedRequest, prompt_id: Id, body: NewEntitlement
) -> WriteResult[EntitlementOut]:
    """Grant a team the free use of one of the caller's prompts; granting again changes nothing.

    It takes the role author in the prompt's team.
    """
    team = Team.objects.filter(name=body.team).first()
    if team is None:
        raise errors.NotFound(f"There is no team {body.team[:100]!r}.")
    row = entitlements.grant(
        caller=request.auth,
        prompt=get_or_404.get_by_id(Prompt.objects.all(), pk=prompt_id),
        team=team,
        reason=body.reason,
    )
    row.refresh_from_db()
    return WriteResult(body=_serialize(row), location=f"/api/v1/prompts/{prompt_id}/entitlements")


@routes.delete("/entitlements/{int:entitlement_id}", scope="market")
def revoke_entitlement(request: AuthenticatedRequest, entitlement_id: Id, reason: str = "") -> None:
    """Take a prompt away from a team, for a reason that is kept; its assistants' next requests find it gone.

    What was given takes the role author in the prompt's team; what was bought, an admin.
    """
    rows = Entitlement.objects.select_related("prompt", "team")
    row = get_or_404.get_by_id(rows, pk=entitlement_id)
    if not (_may_see_all(request.auth, row.prompt) or row.team_id in request.auth.team_ids):
        raise errors.NotFound(f"There is no entitlement {entitlement_id}.")
    SymbolicPromptTokenMarketplace().revoke_entitlement(
        caller=request.auth, entitlement=row, reason=reason, now=timezone.now()
    )


@routes.put(
    "/prompts/{int:prompt_id}/tombstone",
    scope="market",
    body=NewTombstone,
    response_schema=TombstoneOut,
)
def withdraw_prompt_permanently(
    request: AuthenticatedRequest, prompt_id: Id, body: NewTombstone
) -> TombstoneOut:
    """Withdraw a prompt permanently and at once; prices held for its warranties are refunded.

    It takes the role author in its team. The first reason stays.
    """
    row = SymbolicPromptTokenMarketplace().withdraw_permanently(
        caller=request.auth,
        prompt=get_or_404.get_by_id(Prompt.objects.all(), pk=prompt_id),
        reason=body.reason,
        now=timezone.now(),
    )
    return {
        "prompt": schemas.serialize_prompt_ref(row.prompt),
        "actor": row.actor.name,
        "reason": row.reason,
        "set_at": row.set_at,
    }


def _may_see_all(caller: Caller, prompt: Prompt) -> bool:
    """Whether a caller may see who may use a prompt: its team, and auditors."""
    return prompt.team_id in caller.team_ids or caller.has_role(
        Role.AUDITOR, team_id=prompt.team_id
    )


def _serialize(row: Entitlement) -> EntitlementOut:
    return {
        "id": row.pk,
        "prompt": schemas.serialize_prompt_ref(row.prompt),
        "team": row.team.name,
        "reason": row.reason,
        "granted_at": row.granted_at,
        "ended_at": row.ended_at,
        "end_reason": row.end_reason,
    }
