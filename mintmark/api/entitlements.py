"""`/prompts/{id}/entitlements`: who may use a prompt beside its own team; and its withdrawal for good."""

from datetime import datetime
from typing import TypedDict

from django.utils import timezone

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role, Team
from mintmark.core import errors
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.registry import entitlements
from mintmark.registry.models import Entitlement, Prompt

from . import lookups, paging, shapes
from .answers import Created
from .bodies import Body, Id, Reference
from .credentials import Request
from .routes import Routes

routes = Routes(tag="entitlements")


class EntitlementShape(TypedDict):
    """A team that may use a prompt, until `ended_at` (null: it still may), and whether it was bought or why it was
    given."""

    id: int
    prompt: shapes.PromptNamed
    team: str
    reason: str
    granted_at: datetime
    ended_at: datetime | None
    end_reason: str


class EntitlementPage(TypedDict):
    items: list[EntitlementShape]
    next_cursor: str | None


class TombstoneShape(TypedDict):
    """A prompt withdrawn from everywhere, for ever: by whom and why."""

    prompt: shapes.PromptNamed
    actor: str
    reason: str
    set_at: datetime


class NewEntitlement(Body):
    """A team that is to use a prompt, and why; the team reads the reason."""

    team: Reference
    reason: str


class NewTombstone(Body):
    """Why a prompt must not be used any more; everybody who asks for it reads that."""

    reason: str


@routes.get(
    "/prompts/{int:prompt_id}/entitlements", scope="read", answer=EntitlementPage, refuses=(400,)
)
def listed(
    request: Request, prompt_id: Id, limit: paging.Limit, cursor: paging.Cursor
) -> EntitlementPage:
    """List the teams that may use a prompt, and those that might once, newest first: to its team and to auditors."""
    prompt = lookups.by_id(Prompt.objects.all(), pk=prompt_id)
    if not _sees_all(request.auth, prompt):
        raise errors.Forbidden("Who may use a prompt is for its team and for auditors to see.")
    rows = Entitlement.objects.filter(prompt=prompt).select_related("prompt", "team")
    page, following = paging.newest(rows.order_by("-id"), limit=limit, cursor=cursor)
    return {"items": [_shape(row) for row in page], "next_cursor": following}


@routes.get("/entitlements", scope="read", answer=EntitlementPage, refuses=(400,))
def held(request: Request, limit: paging.Limit, cursor: paging.Cursor) -> EntitlementPage:
    """List what the caller's teams may use beside their own, newest first."""
    rows = entitlements.held(team_ids=request.auth.team_ids)
    page, following = paging.newest(rows, limit=limit, cursor=cursor)
    return {"items": [_shape(row) for row in page], "next_cursor": following}


@routes.post(
    "/prompts/{int:prompt_id}/entitlements",
    scope="market",
    body=NewEntitlement,
    answer=EntitlementShape,
)
def granted(request: Request, prompt_id: Id, body: NewEntitlement) -> Created[EntitlementShape]:
    """Let a team use a prompt of one's own for nothing; granting again changes nothing.

    It takes the role author in the prompt's team.
    """
    team = Team.objects.filter(name=body.team).first()
    if team is None:
        raise errors.NotFound(f"There is no team {body.team[:100]!r}.")
    row = entitlements.grant(
        caller=request.auth,
        prompt=lookups.by_id(Prompt.objects.all(), pk=prompt_id),
        team=team,
        reason=body.reason,
    )
    row.refresh_from_db()
    return Created(body=_shape(row), location=f"/api/v1/prompts/{prompt_id}/entitlements")


@routes.delete("/entitlements/{int:entitlement_id}", scope="market")
def revoked(request: Request, entitlement_id: Id, reason: str = "") -> None:
    """Take a prompt away from a team, for a reason that is kept; its assistants' next requests find it gone.

    What was given takes the role author in the prompt's team; what was bought, an admin.
    """
    rows = Entitlement.objects.select_related("prompt", "team")
    row = lookups.by_id(rows, pk=entitlement_id)
    if not (_sees_all(request.auth, row.prompt) or row.team_id in request.auth.team_ids):
        raise errors.NotFound(f"There is no entitlement {entitlement_id}.")
    SymbolicPromptTokenMarketplace().revoke(
        caller=request.auth, entitlement=row, reason=reason, now=timezone.now()
    )


@routes.put(
    "/prompts/{int:prompt_id}/tombstone", scope="market", body=NewTombstone, answer=TombstoneShape
)
def entombed(request: Request, prompt_id: Id, body: NewTombstone) -> TombstoneShape:
    """Withdraw a prompt from everywhere, for ever, at once; prices that wait for its warranties go back.

    It takes the role author in its team. The first reason stays.
    """
    row = SymbolicPromptTokenMarketplace().entomb(
        caller=request.auth,
        prompt=lookups.by_id(Prompt.objects.all(), pk=prompt_id),
        reason=body.reason,
        now=timezone.now(),
    )
    return {
        "prompt": shapes.prompt(row.prompt),
        "actor": row.actor.name,
        "reason": row.reason,
        "set_at": row.set_at,
    }


def _sees_all(caller: Caller, prompt: Prompt) -> bool:
    """Whether a caller may see who may use a prompt: its team, and auditors."""
    return prompt.team_id in caller.team_ids or caller.has_role(
        Role.AUDITOR, team_id=prompt.team_id
    )


def _shape(row: Entitlement) -> EntitlementShape:
    return {
        "id": row.pk,
        "prompt": shapes.prompt(row.prompt),
        "team": row.team.name,
        "reason": row.reason,
        "granted_at": row.granted_at,
        "ended_at": row.ended_at,
        "end_reason": row.end_reason,
    }
