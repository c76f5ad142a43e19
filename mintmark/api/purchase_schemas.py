"""How purchases, their receipts and what assistants asked for are shown."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, TypedDict

from mintmark.market.models import Purchase, PurchaseRequest, Warranty

from . import amount_fields, schemas
from .amount_fields import Tokens
from .schemas import Score


class PurchaseWarrantyOut(TypedDict):
    """What became of a purchase's warranty: while it is open the price waits in escrow, kept it was paid out, failed it
    went back. `score` and `runs` are what the buyer measured."""

    state: Literal["open", "kept", "failed"]
    ends_at: datetime
    settled_at: datetime | None
    score: Score | None
    runs: int


class PurchaseOut(TypedDict):
    """One prompt bought by one team, and what was paid for it. `ended_at`: the team may not use it any more."""

    id: int
    transfer: int
    listing: int
    prompt: schemas.PromptRef
    prompt_set: str | None
    price: Tokens
    team: str
    buyer: str
    bought_at: datetime
    warranty: PurchaseWarrantyOut | None
    ended_at: datetime | None
    end_reason: str


class PurchaseReceiptOut(TypedDict):
    """What was bought in one transfer; those of a set share theirs."""

    transfer: int
    total: Tokens
    team: str
    buyer: str
    prompt_set: str | None
    bought_at: datetime
    lines: list[PurchaseOut]


class PurchaseRequestOut(TypedDict):
    """A purchase that an assistant asked for beyond its mandate, and `why` it had to ask; `transfer` is its receipt
    once it is confirmed."""

    id: int
    state: Literal["waiting", "confirmed", "declined"]
    assistant: schemas.AssistantRef
    listing: int | None
    prompt: schemas.PromptRef | None
    prompt_set: str | None
    price: Tokens
    why: str
    requested_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    transfer: int | None


def serialize_receipt(purchases: Sequence[Purchase]) -> PurchaseReceiptOut:
    """The receipt of the purchases of one transfer."""
    first = purchases[0]
    return {
        "transfer": first.transfer_id,
        "total": amount_fields.format_tokens(sum(purchase.price_micro for purchase in purchases)),
        "team": first.team.name,
        "buyer": first.buyer.name,
        "prompt_set": first.prompt_set.name if first.prompt_set is not None else None,
        "bought_at": first.bought_at,
        "lines": [serialize_purchase(purchase) for purchase in purchases],
    }


def serialize_purchase(row: Purchase) -> PurchaseOut:
    warranty: Warranty | None = getattr(row, "warranty", None)
    return {
        "id": row.pk,
        "transfer": row.transfer_id,
        "listing": row.listing_id,
        "prompt": schemas.serialize_prompt_ref(row.prompt),
        "prompt_set": row.prompt_set.name if row.prompt_set is not None else None,
        "price": amount_fields.format_tokens(row.price_micro),
        "team": row.team.name,
        "buyer": row.buyer.name,
        "bought_at": row.bought_at,
        "warranty": _serialize_warranty(warranty) if warranty is not None else None,
        "ended_at": row.entitlement.ended_at,
        "end_reason": row.entitlement.end_reason,
    }


def serialize_purchase_request(row: PurchaseRequest) -> PurchaseRequestOut:
    listing = row.listing
    return {
        "id": row.pk,
        "state": row.state,  # type: ignore[typeddict-item]  # one of the three
        "assistant": schemas.serialize_assistant_ref(row.buyer.assistant),
        "listing": row.listing_id,
        "prompt": schemas.serialize_prompt_ref(listing.prompt) if listing is not None else None,
        "prompt_set": row.prompt_set.name if row.prompt_set is not None else None,
        "price": amount_fields.format_tokens(row.price_micro),
        "why": row.why,
        "requested_at": row.asked_at,
        "decided_by": row.decided_by.name if row.decided_by is not None else None,
        "decided_at": row.decided_at,
        "transfer": row.transfer_id,
    }


def _serialize_warranty(row: Warranty) -> PurchaseWarrantyOut:
    return {
        "state": row.state,  # type: ignore[typeddict-item]  # one of the three
        "ends_at": row.ends_at,
        "settled_at": row.settled_at,
        "score": row.score,
        "runs": row.runs,
    }
