"""`/market/sales`: what the caller's teams offer or offered, how often it was sold, and what that brought."""

from datetime import datetime
from typing import TypedDict

from mintmark.market import sales

from . import amounts, paging, shapes
from .amounts import Tokens
from .credentials import Request
from .routes import Routes

routes = Routes(tag="sales")


class SaleShape(TypedDict):
    """A listing with what it brought: `paid` by buyers, of which `waiting` may still go back under a warranty, and
    `refunded` went back."""

    listing: int
    prompt: shapes.PromptNamed
    price: Tokens
    listed_at: datetime
    withdrawn_at: datetime | None
    sold: int
    paid: Tokens
    waiting: Tokens
    refunded: Tokens


class SalePage(TypedDict):
    items: list[SaleShape]
    next_cursor: str | None


@routes.get("/market/sales", scope="read", answer=SalePage, refuses=(400,))
def listed(request: Request, limit: paging.Limit, cursor: paging.Cursor) -> SalePage:
    """List what the caller's teams offer, or did, with what it brought, newest first."""
    rows = sales.of(caller=request.auth)
    page, following = paging.newest(rows, limit=limit, cursor=cursor)
    return {
        "items": [
            {
                "listing": row.pk,
                "prompt": shapes.prompt(row.prompt),
                "price": amounts.shown(row.price_micro),
                "listed_at": row.listed_at,
                "withdrawn_at": row.withdrawn_at,
                "sold": row.sold,
                "paid": amounts.shown(row.paid_micro),
                "waiting": amounts.shown(row.waiting_micro),
                "refunded": amounts.shown(row.refunded_micro),
            }
            for row in page
        ],
        "next_cursor": following,
    }
