"""`/purchases`: buy a listing or a set at the price one has seen, and what was bought."""

from typing import Annotated, Literal, Self, TypedDict

from django.utils import timezone
from ninja import Query
from pydantic import model_validator

from mintmark.core import errors, money
from mintmark.market import prompt_sets
from mintmark.market import receipts as made
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.market.models import PurchaseRequest
from mintmark.market.receipts import Receipt

from . import paging, permissions, receipts
from .amounts import Price
from .answers import Created
from .bodies import MAX_ID, Body, Id, Reference
from .credentials import Request
from .receipts import PurchaseReceipt, PurchaseRequestShape, PurchaseShape
from .routes import Routes

routes = Routes(tag="purchases")


class PurchasePage(TypedDict):
    items: list[PurchaseShape]
    next_cursor: str | None


class BoughtShape(TypedDict):
    """What came of it: bought, with the receipt; or, for an assistant beyond its mandate, a request that waits for a
    person (or that he declined)."""

    status: Literal["bought", "waiting", "declined"]
    receipt: PurchaseReceipt | None
    request: PurchaseRequestShape | None


class NewPurchase(Body):
    """What to buy, a listing (its id) or a set (its name or id); the price that the buyer has seen; and the team to buy
    for, the caller's own if not said."""

    listing: Id | None = None
    prompt_set: Id | Reference | None = None
    price: Price
    team: str | None = None

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        if (self.listing is None) == (self.prompt_set is None):
            raise ValueError("Name one thing to buy, in `listing` or in `prompt_set`")
        return self


@routes.get("/purchases", scope="read", answer=PurchasePage, refuses=(400,))
def listed(
    request: Request,
    limit: paging.Limit,
    cursor: paging.Cursor,
    prompt: Annotated[int | None, Query(None, ge=1, le=MAX_ID, description="of this prompt alone")],
) -> PurchasePage:
    """List what the caller's teams bought, newest first, one row a prompt; admins and auditors see all."""
    rows = made.visible_to(caller=request.auth)
    if prompt is not None:
        rows = rows.filter(prompt=prompt)
    page, following = paging.newest(rows, limit=limit, cursor=cursor)
    return {"items": [receipts.purchase(row) for row in page], "next_cursor": following}


@routes.get("/purchases/{int:transfer}", scope="read", answer=PurchaseReceipt)
def shown(request: Request, transfer: Id) -> PurchaseReceipt:
    """Show a receipt, to the team that bought, to admins and to auditors."""
    lines = made.visible_to(caller=request.auth).filter(transfer=transfer).order_by("id")
    if not lines:
        raise errors.NotFound(f"There is no purchase {transfer}.")
    return receipts.receipt(list(lines))


@routes.post(
    "/purchases",
    scope="market",
    body=NewPurchase,
    answer=BoughtShape,
    keyed=True,
    refuses=(404,),
)
def bought(request: Request, body: NewPurchase, key: str) -> Created[BoughtShape]:
    """Buy a listing or a set for a team.

    The price is the one that the buyer has seen: a changed one is refused and nothing is charged. The same
    `Idempotency-Key` with the same purchase again, whenever, answers as it did. An assistant beyond its mandate asks a
    person instead (`waiting`). It takes the role operator or author in the team, or an assistant of it.
    """
    now = timezone.now()
    team = permissions.team_of(request.auth, name=body.team) if body.team is not None else None
    wanted = body.prompt_set
    done = SymbolicPromptTokenMarketplace().buy(
        caller=request.auth,
        listing=body.listing,
        prompt_set=prompt_sets.named(reference=str(wanted)) if wanted is not None else None,
        price_micro=money.micro(body.price),
        key=key,
        now=now,
        team=team,
    )
    if isinstance(done, PurchaseRequest):
        return Created(
            body=_asked(done),
            location=f"/api/v1/purchase-requests/{done.pk}",
            is_replay=done.asked_at != now,
        )
    return Created(
        body=settled(done),
        location=f"/api/v1/purchases/{done.transfer}",
        is_replay=not done.is_new,
    )


def settled(done: Receipt) -> BoughtShape:
    """A purchase that was made."""
    return {"status": "bought", "receipt": _receipt(done.transfer), "request": None}


def _asked(row: PurchaseRequest) -> BoughtShape:
    """What an assistant asked for, as it stands by now."""
    states: dict[str, Literal["bought", "waiting", "declined"]] = {
        PurchaseRequest.State.WAITING: "waiting",
        PurchaseRequest.State.CONFIRMED: "bought",
        PurchaseRequest.State.DECLINED: "declined",
    }
    return {
        "status": states[row.state],
        "receipt": _receipt(row.transfer_id) if row.transfer_id is not None else None,
        "request": receipts.request(row),
    }


def _receipt(transfer: int) -> PurchaseReceipt:
    return receipts.receipt(list(made.lines(transfer=transfer)))
