"""`/market/sales`: what the caller's teams offer or offered, how often it was sold, and what that brought."""

from datetime import datetime
from typing import TypedDict

from mintmark.market import sales_report

from . import amount_fields, pagination, schemas
from .amount_fields import Tokens
from .authentication import AuthenticatedRequest
from .endpoints import Routes

routes = Routes(tag="sales")


class SaleOut(TypedDict):
    """A listing with what it brought: `paid` by buyers, of which `waiting` may still go back under a warranty, and
    `refunded` went back."""

    listing: int
    prompt: schemas.PromptRef
    price: Tokens
    listed_at: datetime
    withdrawn_at: datetime | None
    sold: int
    paid: Tokens
    waiting: Tokens
    refunded: Tokens


class SalePage(TypedDict):
    items: list[SaleOut]
    next_cursor: str | None


@routes.get("/market/sales", scope="read", response_schema=SalePage, error_statuses=(400,))
def list_sales(
    request: AuthenticatedRequest, limit: pagination.Limit, cursor: pagination.Cursor
) -> SalePage:
    """List the listings of the caller's teams, past ones too, with their revenue, newest first."""
    rows = sales_report.list_sales(caller=request.auth)
    page, next_cursor = pagination.paginate_by_id(rows, limit=limit, cursor=cursor)
    return {
        "items": [
            {
                "listing": row.pk,
                "prompt": schemas.serialize_prompt_ref(row.prompt),
                "price": amount_fields.format_tokens(row.price_micro),
                "listed_at": row.listed_at,
                "withdrawn_at": row.withdrawn_at,
                "sold": row.sold,
                "paid": amount_fields.format_tokens(row.paid_micro),
                "waiting": amount_fields.format_tokens(row.waiting_micro),
                "refunded": amount_fields.format_tokens(row.refunded_micro),
            }
            for row in page
        ],
        "next_cursor": next_cursor,
    }
