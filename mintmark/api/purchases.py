"""`/purchases`: buy a listing or a set at the price one has seen, and what was bought."""

from typing import Annotated, Literal, Self, TypedDict

from django.utils import timezone
from ninja import Query
from pydantic import model_validator

from mintmark.common import amounts, errors
from mintmark.market import prompt_sets
from mintmark.market import purchases as market_purchases
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.market.models import PurchaseRequest
from mintmark.market.purchases import PurchaseResult

from . import pagination, permissions, purchase_schemas
from .amount_fields import Price
from .authentication import AuthenticatedRequest
from .endpoints import Routes
from .purchase_schemas import PurchaseOut, PurchaseReceiptOut, PurchaseRequestOut
from .request_body import MAX_ID, Id, Reference, RequestBody
from .responses import WriteResult

routes = Routes(tag="purchases")


class PurchasePage(TypedDict):
    items: list[PurchaseOut]
    next_cursor: str | None


class PurchaseResultOut(TypedDict):
    """What came of it: bought, with the receipt; or, for an assistant beyond its mandate, a request that waits for a
    person (or that they declined)."""

    status: Literal["bought", "waiting", "declined"]
    receipt: PurchaseReceiptOut | None
    request: PurchaseRequestOut | None


class NewPurchase(RequestBody):
    """What to buy, a listing (its id) or a set (its name or id); the price that the buyer has seen; and the team to buy
    for, the caller's own if not said."""

    listing: Id | None = None
    prompt_set: Id | Reference | None = None
    price: Price
    team: str | None = None

    @model_validator(mode="after")
    def _require_one_item(self) -> Self:
        if (self.listing is None) == (self.prompt_set is None):
            raise ValueError("Name one thing to buy, in `listing` or in `prompt_set`")
        return self


@routes.get("/purchases", scope="read", response_schema=PurchasePage, error_statuses=(400,))
def list_purchases(
    request: AuthenticatedRequest,
    limit: pagination.Limit,
    cursor: pagination.Cursor,
    prompt: Annotated[int | None, Query(None, ge=1, le=MAX_ID, description="of this prompt alone")],
) -> PurchasePage:
    """List what the caller's teams bought, newest first, one row a prompt; admins and auditors see all."""
    rows = market_purchases.visible_to(caller=request.auth)
    if prompt is not None:
        rows = rows.filter(prompt=prompt)
    page, next_cursor = pagination.paginate_by_id(rows, limit=limit, cursor=cursor)
    return {
        "items": [purchase_schemas.serialize_purchase(row) for row in page],
        "next_cursor": next_cursor,
    }


@routes.get("/purchases/{int:transfer}", scope="read", response_schema=PurchaseReceiptOut)
def get_purchase(request: AuthenticatedRequest, transfer: Id) -> PurchaseReceiptOut:
    """Show a receipt, to the team that bought, to admins and to auditors."""
    purchase_rows = (
        market_purchases.visible_to(caller=request.auth).filter(transfer=transfer).order_by("id")
    )
    if not purchase_rows:
        raise errors.NotFound(f"There is no purchase {transfer}.")
    return purchase_schemas.serialize_receipt(list(purchase_rows))


@routes.post(
    "/purchases",
    scope="market",
    body=NewPurchase,
    response_schema=PurchaseResultOut,
    requires_key=True,
    error_statuses=(404,),
)
def create_purchase(
    request: AuthenticatedRequest, body: NewPurchase, key: str
) -> WriteResult[PurchaseResultOut]:
    """Buy a listing or a set for a team.

    The price is the one that the buyer has seen: a changed one is refused and nothing is charged. The same
    `Idempotency-Key` with the same purchase again, whenever, answers as it did. An assistant beyond its mandate asks a
    person instead (`waiting`). It takes the role operator or author in the team, or an assistant of it.
    """
    now = timezone.now()
    team = permissions.resolve_team(request.auth, name=body.team) if body.team is not None else None
    set_reference = body.prompt_set
    result = SymbolicPromptTokenMarketplace().buy(
        caller=request.auth,
        listing=body.listing,
        prompt_set=prompt_sets.get_prompt_set(reference=str(set_reference))
        if set_reference is not None
        else None,
        price_micro=amounts.to_micro(body.price),
        idempotency_key=key,
        now=now,
        team=team,
    )
    if isinstance(result, PurchaseRequest):
        return WriteResult(
            body=_serialize_requested_purchase(result),
            location=f"/api/v1/purchase-requests/{result.pk}",
            is_replay=result.asked_at != now,
        )
    return WriteResult(
        body=serialize_completed_purchase(result),
        location=f"/api/v1/purchases/{result.transfer}",
        is_replay=not result.is_new,
    )


def serialize_completed_purchase(receipt: PurchaseResult) -> PurchaseResultOut:
    """A purchase that was made."""
    return {"status": "bought", "receipt": _build_receipt(receipt.transfer), "request": None}


def _serialize_requested_purchase(row: PurchaseRequest) -> PurchaseResultOut:
    """What an assistant asked for, as it stands by now."""
    states: dict[str, Literal["bought", "waiting", "declined"]] = {
        PurchaseRequest.State.WAITING: "waiting",
        PurchaseRequest.State.CONFIRMED: "bought",
        PurchaseRequest.State.DECLINED: "declined",
    }
    return {
        "status": states[row.state],
        "receipt": _build_receipt(row.transfer_id) if row.transfer_id is not None else None,
        "request": purchase_schemas.serialize_purchase_request(row),
    }


def _build_receipt(transfer: int) -> PurchaseReceiptOut:
    return purchase_schemas.serialize_receipt(
        list(market_purchases.list_transfer_purchases(transfer=transfer))
    )
