"""How purchases, their receipts and what assistants asked for are shown."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, TypedDict

from mintmark.market.models import Purchase, PurchaseRequest, Warranty

from . import amounts, shapes
from .amounts import Tokens
from .shapes import Score


class PurchaseWarranty(TypedDict):
    """What became of a purchase's warranty: while it is open the price waits in escrow, kept it was paid out, failed it
    went back. `score` and `runs` are what the buyer measured."""

    state: Literal["open", "kept", "failed"]
    ends_at: datetime
    settled_at: datetime | None
    score: Score | None
    runs: int


class PurchaseShape(TypedDict):
    """One prompt bought by one team, and what was paid for it. `ended_at`: the team may not use it any more."""

    id: int
    transfer: int
    listing: int
    prompt: shapes.PromptNamed
    prompt_set: str | None
    price: Tokens
    team: str
    buyer: str
    bought_at: datetime
    warranty: PurchaseWarranty | None
    ended_at: datetime | None
    end_reason: str


class PurchaseReceipt(TypedDict):
    """What was bought in one transfer; those of a set share theirs."""

    transfer: int
    total: Tokens
    team: str
    buyer: str
    prompt_set: str | None
    bought_at: datetime
    lines: list[PurchaseShape]


class PurchaseRequestShape(TypedDict):
    """A purchase that an assistant asked for beyond its mandate, and `why` it had to ask; `transfer` is its receipt
    once it is confirmed."""

    id: int
    state: Literal["waiting", "confirmed", "declined"]
    assistant: shapes.Named
    listing: int | None
    prompt: shapes.PromptNamed | None
    prompt_set: str | None
    price: Tokens
    why: str
    asked_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    transfer: int | None


def receipt(lines: Sequence[Purchase]) -> PurchaseReceipt:
    """The receipt of the purchases of one transfer."""
    first = lines[0]
    return {
        "transfer": first.transfer_id,
        "total": amounts.shown(sum(line.price_micro for line in lines)),
        "team": first.team.name,
        "buyer": first.buyer.name,
        "prompt_set": first.prompt_set.name if first.prompt_set is not None else None,
        "bought_at": first.bought_at,
        "lines": [purchase(line) for line in lines],
    }


def purchase(row: Purchase) -> PurchaseShape:
    warranty: Warranty | None = getattr(row, "warranty", None)
    return {
        "id": row.pk,
        "transfer": row.transfer_id,
        "listing": row.listing_id,
        "prompt": shapes.prompt(row.prompt),
        "prompt_set": row.prompt_set.name if row.prompt_set is not None else None,
        "price": amounts.shown(row.price_micro),
        "team": row.team.name,
        "buyer": row.buyer.name,
        "bought_at": row.bought_at,
        "warranty": _warranty(warranty) if warranty is not None else None,
        "ended_at": row.entitlement.ended_at,
        "end_reason": row.entitlement.end_reason,
    }


def request(row: PurchaseRequest) -> PurchaseRequestShape:
    listing = row.listing
    return {
        "id": row.pk,
        "state": row.state,  # type: ignore[typeddict-item]  # one of the three
        "assistant": shapes.assistant(row.buyer.assistant),
        "listing": row.listing_id,
        "prompt": shapes.prompt(listing.prompt) if listing is not None else None,
        "prompt_set": row.prompt_set.name if row.prompt_set is not None else None,
        "price": amounts.shown(row.price_micro),
        "why": row.why,
        "asked_at": row.asked_at,
        "decided_by": row.decided_by.name if row.decided_by is not None else None,
        "decided_at": row.decided_at,
        "transfer": row.transfer_id,
    }


def _warranty(row: Warranty) -> PurchaseWarranty:
    return {
        "state": row.state,  # type: ignore[typeddict-item]  # one of the three
        "ends_at": row.ends_at,
        "settled_at": row.settled_at,
        "score": row.score,
        "runs": row.runs,
    }
