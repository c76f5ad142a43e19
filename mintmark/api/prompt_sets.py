"""`/market/sets`: curated collections, each bought together at one discount."""

from datetime import datetime
from typing import Annotated, TypedDict

from django.db.models import Count
from django.utils import timezone
from ninja import Query
from pydantic import Field

from mintmark.accounts.models import Team
from mintmark.market import prompt_sets
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.market.models import PromptSet
from mintmark.registry import prompts

from . import amount_fields, pagination, permissions, schemas
from .amount_fields import Tokens
from .authentication import AuthenticatedRequest
from .endpoints import Routes
from .listings import BasisPoints
from .request_body import Id, Reference, RequestBody
from .responses import WriteResult

routes = Routes(tag="prompt_sets")


class PromptSetOut(TypedDict):
    """A set: what it is called, who put it together, at what discount."""

    id: int
    name: str
    title: str
    description: str
    team: str
    curator: str
    discount_bp: BasisPoints
    prompts: int
    created_at: datetime
    withdrawn_at: datetime | None


class PromptSetPage(TypedDict):
    items: list[PromptSetOut]
    next_cursor: str | None


class PromptSetItemOut(TypedDict):
    """A prompt of a set: its standing listing and its price in the set (both null: not offered at this discount now).
    What is `entitled` may be used already and is left out of the total."""

    prompt: schemas.PromptRef
    listing: int | None
    price: Tokens | None
    entitled: bool


class PromptSetQuoteOut(PromptSetOut):
    """A set and what it costs one team now (null: a caller without a team), without what that team holds. `total` is
    the price to buy it at; not `complete`: something is not offered now, and the set can't be bought."""

    for_team: str | None
    total: Tokens
    without_discount: Tokens
    complete: bool
    lines: list[PromptSetItemOut]


class NewPromptSet(RequestBody):
    """Listed prompts to put together, in this order, under a name of a-z, 0-9, '-' and '_'."""

    name: str
    title: str
    prompts: Annotated[list[Id | Reference], Field(max_length=prompt_sets.MAX_PROMPTS)]
    team: str | None = None
    description: Annotated[str, Field(max_length=10_000)] = ""
    discount_bp: Annotated[int, Field(ge=0, le=9_000)] = 0


@routes.get("/market/sets", scope="read", response_schema=PromptSetPage, error_statuses=(400,))
def list_prompt_sets(
    request: AuthenticatedRequest, limit: pagination.Limit, cursor: pagination.Cursor
) -> PromptSetPage:
    """List the sets that are offered, newest first."""
    rows = prompt_sets.list_active_sets().annotate(n=Count("items"))
    page, next_cursor = pagination.paginate_by_id(rows, limit=limit, cursor=cursor)
    return {
        "items": [_serialize(row, prompt_count=row.n) for row in page],
        "next_cursor": next_cursor,
    }


@routes.get("/market/sets/{name}", scope="read", response_schema=PromptSetQuoteOut)
def get_prompt_set(
    request: AuthenticatedRequest,
    name: str,
    team: Annotated[str | None, Query(None, max_length=64, description="whom it is quoted for")],
) -> PromptSetQuoteOut:
    """Show a set with its price for the caller's team (or another of their teams, named in `team`)."""
    quoted_team = permissions.resolve_team(request.auth, name=team) if team is not None else None
    return _serialize_quote(
        prompt_sets.get_prompt_set(reference=name),
        team=quoted_team if quoted_team is not None else request.auth.principal.team,
    )


@routes.post(
    "/market/sets",
    scope="market",
    body=NewPromptSet,
    response_schema=PromptSetQuoteOut,
    error_statuses=(404,),
)
def create_prompt_set(
    request: AuthenticatedRequest, body: NewPromptSet
) -> WriteResult[PromptSetQuoteOut]:
    """Create a set of listed prompts with one discount.

    It takes the role author in the team. A discount binds sellers of other teams only as far as their listings allow.
    """
    team = permissions.resolve_team(request.auth, name=body.team)
    row = SymbolicPromptTokenMarketplace().create_prompt_set(
        caller=request.auth,
        team=team,
        name=body.name,
        title=body.title,
        prompts=[prompts.resolve(reference=str(reference)) for reference in body.prompts],
        description=body.description,
        discount_bp=body.discount_bp,
        now=timezone.now(),
    )
    return WriteResult(
        body=_serialize_quote(row, team=team), location=f"/api/v1/market/sets/{row.name}"
    )


@routes.delete("/market/sets/{name}", scope="market")
def withdraw_prompt_set(request: AuthenticatedRequest, name: str) -> None:
    """Take a set off the market; what was bought stays bought. It takes the role author in its team."""
    SymbolicPromptTokenMarketplace().withdraw_prompt_set(
        caller=request.auth,
        prompt_set=prompt_sets.get_prompt_set(reference=name),
        now=timezone.now(),
    )


def _serialize_quote(row: PromptSet, *, team: Team | None) -> PromptSetQuoteOut:
    quote = prompt_sets.build_quote(prompt_set=row, team_id=team.pk if team is not None else None)
    return {
        **_serialize(row, prompt_count=len(quote.items)),
        "for_team": team.name if team is not None else None,
        "total": amount_fields.format_tokens(quote.total_micro),
        "without_discount": amount_fields.format_tokens(quote.without_discount_micro),
        "complete": quote.is_complete and row.withdrawn_at is None,
        "lines": [
            {
                "prompt": schemas.serialize_prompt_ref(item.prompt),
                "listing": item.listing.pk if item.listing is not None else None,
                "price": amount_fields.format_tokens(item.price_micro)
                if item.listing is not None
                else None,
                "entitled": item.is_entitled,
            }
            for item in quote.items
        ],
    }


def _serialize(row: PromptSet, *, prompt_count: int) -> PromptSetOut:
    return {
        "id": row.pk,
        "name": row.name,
        "title": row.title,
        "description": row.description,
        "team": row.team.name,
        "curator": row.curator.name,
        "discount_bp": row.discount_bp,
        "prompts": prompt_count,
        "created_at": row.created_at,
        "withdrawn_at": row.withdrawn_at,
    }
