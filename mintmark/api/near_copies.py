"""`/prompts/{id}/near-copies`: earlier prompts of other teams that a prompt holds most of, and whether it may be
listed."""

from datetime import datetime
from typing import Annotated, TypedDict

from django.utils import timezone
from pydantic import Field

from mintmark.accounts.models import Role
from mintmark.common import errors
from mintmark.market import copies
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.registry import prompts
from mintmark.registry.models import Prompt

from . import get_or_404, schemas
from .authentication import AuthenticatedRequest
from .endpoints import Routes
from .request_body import Id, RequestBody
from .responses import WriteResult
from .schemas import Score

routes = Routes(tag="near-copies")


class CopyDecisionOut(TypedDict):
    """Who decided that a near-copy may be listed, when and why."""

    decided_by: str
    decided_at: datetime
    reason: str


class NearCopyOut(TypedDict):
    """An earlier prompt of another team; `likeness` is the share of its wording that the prompt holds, to the tenth
    below (exact for treasurers). One that `was_listed` keeps the prompt from the market until it is decided
    otherwise."""

    original: schemas.PromptRef
    team: str
    likeness: Score
    was_listed: bool
    decision: CopyDecisionOut | None


class NearCopyList(TypedDict):
    items: list[NearCopyOut]


class NewCopyDecision(RequestBody):
    """The original that the prompt may be listed beside, and why."""

    original: Id
    reason: Annotated[str, Field(min_length=1, max_length=400)]


@routes.get("/prompts/{int:prompt_id}/near-copies", scope="read", response_schema=NearCopyList)
def list_near_copies(request: AuthenticatedRequest, prompt_id: Id) -> NearCopyList:
    """List what a prompt is a near-copy of, the most alike first: to whoever may read its text, and to treasurers.

    Those who are no treasurer see what was listed, and what they may read.
    """
    prompt = get_or_404.get_by_id(Prompt.objects.all(), pk=prompt_id)
    caller = request.auth
    if not prompts.may_read_text(caller=caller, prompt=prompt) and not caller.has_role(
        Role.TREASURER, team_id=None
    ):
        raise errors.Forbidden(
            f"What {prompt.reference} is a near-copy of is shown to those who may read its text, and to treasurers."
        )
    rows = copies.list_copied_for(caller=caller, prompt=prompt)
    return {"items": [_serialize(copied) for copied in rows]}


@routes.post(
    "/prompts/{int:prompt_id}/near-copies",
    scope="market",
    body=NewCopyDecision,
    response_schema=CopyDecisionOut,
    is_located=False,
)
def allow_copy(
    request: AuthenticatedRequest, prompt_id: Id, body: NewCopyDecision
) -> WriteResult[CopyDecisionOut]:
    """Decide that a near-copy may be listed without a royalty. It takes a treasurer or an administrator."""
    decision = SymbolicPromptTokenMarketplace().allow_copy(
        caller=request.auth,
        prompt=get_or_404.get_by_id(Prompt.objects.all(), pk=prompt_id),
        original=get_or_404.get_by_id(Prompt.objects.all(), pk=body.original),
        reason=body.reason,
        now=timezone.now(),
    )
    return WriteResult(
        body={
            "decided_by": decision.decided_by.name,
            "decided_at": decision.decided_at,
            "reason": decision.reason,
        },
        location="",
    )


def _serialize(copied: copies.CopiedText) -> NearCopyOut:
    decision = copied.decision
    return {
        "original": schemas.serialize_prompt_ref(copied.original),
        "team": copied.original.team.name,
        "likeness": copied.likeness,
        "was_listed": copied.was_listed,
        "decision": {
            "decided_by": decision.decided_by.name,
            "decided_at": decision.decided_at,
            "reason": decision.reason,
        }
        if decision is not None
        else None,
    }
