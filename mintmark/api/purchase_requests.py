"""`/purchase-requests`: what assistants asked to buy beyond their mandates, for a person to confirm or decline."""

from typing import Annotated, Literal, TypedDict

from django.db.models import QuerySet
from django.utils import timezone
from ninja import Query

from mintmark.accounts.callers import Caller
from mintmark.market import purchase_requests
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.market.models import PurchaseRequest

from . import get_or_404, pagination, purchase_schemas, purchases
from .authentication import AuthenticatedRequest
from .endpoints import Routes
from .purchase_schemas import PurchaseRequestOut
from .purchases import PurchaseResultOut
from .request_body import Id
from .responses import WriteResult

routes = Routes(tag="purchase_requests")

RequestState = Literal["waiting", "confirmed", "declined"]


class PurchaseRequestPage(TypedDict):
    items: list[PurchaseRequestOut]
    next_cursor: str | None


@routes.get(
    "/purchase-requests", scope="read", response_schema=PurchaseRequestPage, error_statuses=(400,)
)
def list_purchase_requests(
    request: AuthenticatedRequest,
    limit: pagination.Limit,
    cursor: pagination.Cursor,
    state: Annotated[RequestState | None, Query(None, description="those that stand so alone")],
) -> PurchaseRequestPage:
    """List what the assistants of the caller's teams asked for, newest first; an assistant sees its own."""
    rows = _list_visible(request.auth)
    if state is not None:
        rows = rows.filter(state=state)
    page, next_cursor = pagination.paginate_by_id(rows, limit=limit, cursor=cursor)
    return {
        "items": [purchase_schemas.serialize_purchase_request(row) for row in page],
        "next_cursor": next_cursor,
    }


@routes.get("/purchase-requests/{int:request_id}", scope="read", response_schema=PurchaseRequestOut)
def get_purchase_request(request: AuthenticatedRequest, request_id: Id) -> PurchaseRequestOut:
    """Show what an assistant asked for, and what became of it."""
    return purchase_schemas.serialize_purchase_request(_get_visible(request.auth, request_id))


@routes.post(
    "/purchase-requests/{int:request_id}/confirm", scope="market", response_schema=PurchaseResultOut
)
def confirm_purchase_request(
    request: AuthenticatedRequest, request_id: Id
) -> WriteResult[PurchaseResultOut]:
    """Buy what an assistant asked for, from its wallet, at the price that it saw.

    It takes the role operator in its team. What refuses a purchase refuses this too, and the request goes on waiting.
    """
    receipt = SymbolicPromptTokenMarketplace().confirm_request(
        caller=request.auth, request=_get_visible(request.auth, request_id), now=timezone.now()
    )
    return WriteResult(
        body=purchases.serialize_completed_purchase(receipt),
        location=f"/api/v1/purchases/{receipt.transfer}",
    )


@routes.post(
    "/purchase-requests/{int:request_id}/decline",
    scope="market",
    response_schema=PurchaseRequestOut,
    status=200,
)
def decline_purchase_request(
    request: AuthenticatedRequest, request_id: Id
) -> WriteResult[PurchaseRequestOut]:
    """Decline a purchase request of an assistant. It takes the role operator in its team."""
    row = SymbolicPromptTokenMarketplace().decline_request(
        caller=request.auth, request=_get_visible(request.auth, request_id), now=timezone.now()
    )
    return WriteResult(body=purchase_schemas.serialize_purchase_request(row), location="")


def _list_visible(caller: Caller) -> QuerySet[PurchaseRequest]:
    return purchase_requests.visible_to(caller=caller).select_related(
        "buyer__assistant", "decided_by"
    )


def _get_visible(caller: Caller, request_id: int) -> PurchaseRequest:
    return get_or_404.get_by_id(_list_visible(caller), pk=request_id)
