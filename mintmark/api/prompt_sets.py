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

from . import amounts, paging, permissions, shapes
from .amounts import Tokens
from .answers import Created
from .bodies import Body, Id, Reference
from .credentials import Request
from .listings import BasisPoints
from .routes import Routes

routes = Routes(tag="prompt_sets")


class SetShape(TypedDict):
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


class SetPage(TypedDict):
    items: list[SetShape]
    next_cursor: str | None


class LineShape(TypedDict):
    """A prompt of a set: its standing listing and its price in the set (both null: not offered at this discount now).
    What is `held` may be used already and is left out of the total."""

    prompt: shapes.PromptNamed
    listing: int | None
    price: Tokens | None
    held: bool


class QuoteShape(SetShape):
    """A set and what it costs one team now (null: a caller without a team), without what that team holds. `total` is
    the price to buy it at; not `complete`: something is not offered now, and the set can't be bought."""

    for_team: str | None
    total: Tokens
    without_discount: Tokens
    complete: bool
    lines: list[LineShape]


class NewSet(Body):
    """Listed prompts to put together, in this order, under a name of a-z, 0-9, '-' and '_'."""

    name: str
    title: str
    prompts: Annotated[list[Id | Reference], Field(max_length=prompt_sets.MOST_PROMPTS)]
    team: str | None = None
    description: Annotated[str, Field(max_length=10_000)] = ""
    discount_bp: Annotated[int, Field(ge=0, le=9_000)] = 0


@routes.get("/market/sets", scope="read", answer=SetPage, refuses=(400,))
def listed(request: Request, limit: paging.Limit, cursor: paging.Cursor) -> SetPage:
    """List the sets that are offered, newest first."""
    rows = prompt_sets.standing().annotate(n=Count("items"))
    page, following = paging.newest(rows, limit=limit, cursor=cursor)
    return {"items": [_set(row, n=row.n) for row in page], "next_cursor": following}


@routes.get("/market/sets/{name}", scope="read", answer=QuoteShape)
def shown(
    request: Request,
    name: str,
    team: Annotated[str | None, Query(None, max_length=64, description="whom it is quoted for")],
) -> QuoteShape:
    """Show a set with what it costs the caller's team (or another of his, named in `team`)."""
    named = permissions.team_of(request.auth, name=team) if team is not None else None
    return _quote(
        prompt_sets.named(reference=name),
        team=named if named is not None else request.auth.principal.team,
    )


@routes.post("/market/sets", scope="market", body=NewSet, answer=QuoteShape, refuses=(404,))
def curated(request: Request, body: NewSet) -> Created[QuoteShape]:
    """Put listed prompts together into a set with one discount.

    It takes the role author in the team. A discount binds sellers of other teams only as far as their listings allow.
    """
    team = permissions.team_of(request.auth, name=body.team)
    row = SymbolicPromptTokenMarketplace().curate(
        caller=request.auth,
        team=team,
        name=body.name,
        title=body.title,
        prompts=[prompts.named(reference=str(reference)) for reference in body.prompts],
        description=body.description,
        discount_bp=body.discount_bp,
        now=timezone.now(),
    )
    return Created(body=_quote(row, team=team), location=f"/api/v1/market/sets/{row.name}")


@routes.delete("/market/sets/{name}", scope="market")
def withdrawn(request: Request, name: str) -> None:
    """Take a set off the market; what was bought stays bought. It takes the role author in its team."""
    SymbolicPromptTokenMarketplace().withdraw_set(
        caller=request.auth, prompt_set=prompt_sets.named(reference=name), now=timezone.now()
    )


def _quote(row: PromptSet, *, team: Team | None) -> QuoteShape:
    quote = prompt_sets.quote(prompt_set=row, team_id=team.pk if team is not None else None)
    return {
        **_set(row, n=len(quote.lines)),
        "for_team": team.name if team is not None else None,
        "total": amounts.shown(quote.total_micro),
        "without_discount": amounts.shown(quote.without_discount_micro),
        "complete": quote.is_complete and row.withdrawn_at is None,
        "lines": [
            {
                "prompt": shapes.prompt(line.prompt),
                "listing": line.listing.pk if line.listing is not None else None,
                "price": amounts.shown(line.price_micro) if line.listing is not None else None,
                "held": line.is_held,
            }
            for line in quote.lines
        ],
    }


def _set(row: PromptSet, *, n: int) -> SetShape:
    return {
        "id": row.pk,
        "name": row.name,
        "title": row.title,
        "description": row.description,
        "team": row.team.name,
        "curator": row.curator.name,
        "discount_bp": row.discount_bp,
        "prompts": n,
        "created_at": row.created_at,
        "withdrawn_at": row.withdrawn_at,
    }
