"""`/purchase-requests`: what assistants asked to buy beyond their mandates, for a person to confirm or decline."""

from typing import Annotated, Literal, TypedDict

from django.db.models import QuerySet
from django.utils import timezone
from ninja import Query

from mintmark.accounts.callers import Caller
from mintmark.market import requests
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.market.models import PurchaseRequest

from . import lookups, paging, purchases, receipts
from .answers import Created
from .bodies import Id
from .credentials import Request
from .purchases import BoughtShape
from .receipts import PurchaseRequestShape
from .routes import Routes

routes = Routes(tag="purchase_requests")

State = Literal["waiting", "confirmed", "declined"]


class RequestPage(TypedDict):
    items: list[PurchaseRequestShape]
    next_cursor: str | None


@routes.get("/purchase-requests", scope="read", answer=RequestPage, refuses=(400,))
def listed(
    request: Request,
    limit: paging.Limit,
    cursor: paging.Cursor,
    state: Annotated[State | None, Query(None, description="those that stand so alone")],
) -> RequestPage:
    """List what the assistants of the caller's teams asked for, newest first; an assistant sees its own."""
    rows = _visible_to(request.auth)
    if state is not None:
        rows = rows.filter(state=state)
    page, following = paging.newest(rows, limit=limit, cursor=cursor)
    return {"items": [receipts.request(row) for row in page], "next_cursor": following}


@routes.get("/purchase-requests/{int:request_id}", scope="read", answer=PurchaseRequestShape)
def shown(request: Request, request_id: Id) -> PurchaseRequestShape:
    """Show what an assistant asked for, and what became of it."""
    return receipts.request(_named(request.auth, request_id))


@routes.post("/purchase-requests/{int:request_id}/confirm", scope="market", answer=BoughtShape)
def confirmed(request: Request, request_id: Id) -> Created[BoughtShape]:
    """Buy what an assistant asked for, from its wallet, at the price that it saw.

    It takes the role operator in its team. What refuses a purchase refuses this too, and the request goes on waiting.
    """
    done = SymbolicPromptTokenMarketplace().confirm(
        caller=request.auth, request=_named(request.auth, request_id), now=timezone.now()
    )
    return Created(body=purchases.settled(done), location=f"/api/v1/purchases/{done.transfer}")


@routes.post(
    "/purchase-requests/{int:request_id}/decline",
    scope="market",
    answer=PurchaseRequestShape,
    status=200,
)
def declined(request: Request, request_id: Id) -> Created[PurchaseRequestShape]:
    """Say no to what an assistant asked for. It takes the role operator in its team."""
    row = SymbolicPromptTokenMarketplace().decline(
        caller=request.auth, request=_named(request.auth, request_id), now=timezone.now()
    )
    return Created(body=receipts.request(row), location="")


def _visible_to(caller: Caller) -> QuerySet[PurchaseRequest]:
    return requests.visible_to(caller=caller).select_related("buyer__assistant", "decided_by")


def _named(caller: Caller, request_id: int) -> PurchaseRequest:
    return lookups.by_id(_visible_to(caller), pk=request_id)
