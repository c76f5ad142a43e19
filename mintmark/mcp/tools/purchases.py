"""`buy_prompt`: at once within the assistant's mandate, else a person is asked, and may be waited for."""

from datetime import datetime
from typing import Annotated, Literal, Self, TypedDict

from pydantic import Field, model_validator

from mintmark.core import errors, money
from mintmark.market import listings, prompt_sets, receipts, requests
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.market.models import PurchaseRequest

from .. import arguments
from ..arguments import Arguments, Id, Key, Price, PromptName
from ..credentials import Holder
from .tool import Pause, PromptNamed, Tool, prompt

LONGEST_WAIT_SECONDS = 600


class Purchase(Arguments):
    """One thing to buy: a listing by its id, the prompt that stands on the market, or a set; at the price you saw."""

    listing: Id | None = None
    prompt: PromptName | None = None
    prompt_set: Annotated[str | None, Field(max_length=300, description="a set's name")] = None
    price: Price
    key: Key
    wait_seconds: Annotated[
        int,
        Field(
            ge=0, le=LONGEST_WAIT_SECONDS, description="how long to wait for a person to confirm"
        ),
    ] = 0

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        if [self.listing, self.prompt, self.prompt_set].count(None) != 2:
            raise ValueError("Name one thing to buy, in `listing`, `prompt` or `prompt_set`")
        return self


class Bought(TypedDict):
    """What came of it: `bought` (with the number of the transfer), or a `request` that waits for a person or that he
    declined, and `why` he is asked."""

    status: Literal["bought", "waiting", "declined"]
    price: str
    prompts: list[PromptNamed]
    transfer: int | None
    request: int | None
    why: str


_STATES: dict[str, Literal["bought", "waiting", "declined"]] = {
    PurchaseRequest.State.WAITING: "waiting",
    PurchaseRequest.State.CONFIRMED: "bought",
    PurchaseRequest.State.DECLINED: "declined",
}


def _bought(holder: Holder, wanted: Purchase, now: datetime) -> Bought:
    named = wanted.prompt_set
    done = SymbolicPromptTokenMarketplace().buy(
        caller=holder.caller,
        listing=_listing(holder, wanted),
        prompt_set=prompt_sets.named(reference=named) if named is not None else None,
        price_micro=money.micro(wanted.price),
        key=wanted.key,
        now=now,
    )
    if isinstance(done, PurchaseRequest):
        return _asked(done)
    return _told(done.transfer, price_micro=money.micro(wanted.price))


def _again(holder: Holder, wanted: Purchase, told: Bought, now: datetime) -> Bought:
    """What became of the request by now."""
    assert told["request"] is not None
    return _asked(requests.visible_to(caller=holder.caller).get(pk=told["request"]))


def _listing(holder: Holder, wanted: Purchase) -> int | None:
    if wanted.prompt is None:
        return wanted.listing
    row = arguments.prompt(holder, wanted.prompt)
    offered = listings.standing(prompt=row)
    if offered is None:
        raise errors.NotFound(f"{row.reference} is not offered now: search_market says what is.")
    return offered.pk


def _asked(row: PurchaseRequest) -> Bought:
    if row.transfer_id is not None:
        return _told(row.transfer_id, price_micro=row.price_micro, request=row.pk, why=row.why)
    return {
        "status": _STATES[row.state],
        "price": money.exact(row.price_micro),
        "prompts": [prompt(row.listing.prompt)] if row.listing is not None else [],
        "transfer": None,
        "request": row.pk,
        "why": row.why,
    }


def _told(transfer: int, *, price_micro: int, request: int | None = None, why: str = "") -> Bought:
    lines = receipts.lines(transfer=transfer)
    return {
        "status": "bought",
        "price": money.exact(price_micro),
        "prompts": [prompt(line.prompt) for line in lines],
        "transfer": transfer,
        "request": request,
        "why": why,
    }


TOOL = Tool(
    name="buy_prompt",
    title="Buy a prompt",
    says="Buy a listing or a set for your team from your own wallet. Beyond what you may spend by yourself a person is "
    "asked (status `waiting`): with wait_seconds the call waits for him, or call again later with the same key.",
    scope="market",
    takes=Purchase,
    answers=Bought,
    run=_bought,
    pause=Pause(
        again=_again,
        is_over=lambda told: told["status"] != "waiting",
        says="a person is asked to confirm the purchase",
    ),
)
