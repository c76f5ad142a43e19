"""`buy_prompt`: at once within the assistant's mandate, else a person is asked, and may be waited for."""

from datetime import datetime
from typing import Annotated, Literal, Self, TypedDict

from pydantic import Field, model_validator

from mintmark.common import amounts, errors
from mintmark.market import listings, prompt_sets, purchase_requests, purchases
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.market.models import PurchaseRequest

from .. import arguments
from ..arguments import Id, IdempotencyKey, Price, PromptName, ToolArguments
from ..credentials import KeyHolder
from .tool import Tool, ToolPolling, ToolPromptRef, serialize_prompt_ref

MAX_WAIT_SECONDS = 600


class BuyPromptArguments(ToolArguments):
    """One thing to buy: a listing by its id, the prompt that stands on the market, or a set; at the price you saw."""

    listing: Id | None = None
    prompt: PromptName | None = None
    prompt_set: Annotated[str | None, Field(max_length=300, description="a set's name")] = None
    price: Price
    key: IdempotencyKey
    wait_seconds: Annotated[
        int,
        Field(ge=0, le=MAX_WAIT_SECONDS, description="how long to wait for a person to confirm"),
    ] = 0

    @model_validator(mode="after")
    def _require_one_item(self) -> Self:
        if [self.listing, self.prompt, self.prompt_set].count(None) != 2:
            raise ValueError("Name one thing to buy, in `listing`, `prompt` or `prompt_set`")
        return self


class BuyPromptOutput(TypedDict):
    """What came of it: `bought` (with the number of the transfer), or a `request` that waits for a person or that they
    declined, and `why` they are asked."""

    status: Literal["bought", "waiting", "declined"]
    price: str
    prompts: list[ToolPromptRef]
    transfer: int | None
    request: int | None
    why: str


_STATES: dict[str, Literal["bought", "waiting", "declined"]] = {
    PurchaseRequest.State.WAITING: "waiting",
    PurchaseRequest.State.CONFIRMED: "bought",
    PurchaseRequest.State.DECLINED: "declined",
}


def _buy_prompt(holder: KeyHolder, args: BuyPromptArguments, now: datetime) -> BuyPromptOutput:
    set_name = args.prompt_set
    result = SymbolicPromptTokenMarketplace().buy(
        caller=holder.caller,
        listing=_find_listing(holder, args),
        prompt_set=prompt_sets.get_prompt_set(reference=set_name) if set_name is not None else None,
        price_micro=amounts.to_micro(args.price),
        idempotency_key=args.key,
        now=now,
    )
    if isinstance(result, PurchaseRequest):
        return _serialize_request(result)
    return _serialize_purchase(result.transfer, price_micro=amounts.to_micro(args.price))


def _refresh(
    holder: KeyHolder, args: BuyPromptArguments, output: BuyPromptOutput, now: datetime
) -> BuyPromptOutput:
    """What became of the request by now."""
    assert output["request"] is not None
    return _serialize_request(
        purchase_requests.visible_to(caller=holder.caller).get(pk=output["request"])
    )


def _find_listing(holder: KeyHolder, args: BuyPromptArguments) -> int | None:
    if args.prompt is None:
        return args.listing
    row = arguments.resolve_prompt(holder, args.prompt)
    listing = listings.find_active_listing(prompt=row)
    if listing is None:
        raise errors.NotFound(f"{row.reference} is not offered now: search_market says what is.")
    return listing.pk


def _serialize_request(row: PurchaseRequest) -> BuyPromptOutput:
    if row.transfer_id is not None:
        return _serialize_purchase(
            row.transfer_id, price_micro=row.price_micro, request=row.pk, reason=row.why
        )
    return {
        "status": _STATES[row.state],
        "price": amounts.format_exact(row.price_micro),
        "prompts": [serialize_prompt_ref(row.listing.prompt)] if row.listing is not None else [],
        "transfer": None,
        "request": row.pk,
        "why": row.why,
    }


def _serialize_purchase(
    transfer: int, *, price_micro: int, request: int | None = None, reason: str = ""
) -> BuyPromptOutput:
    bought = purchases.list_transfer_purchases(transfer=transfer)
    return {
        "status": "bought",
        "price": amounts.format_exact(price_micro),
        "prompts": [serialize_prompt_ref(purchase.prompt) for purchase in bought],
        "transfer": transfer,
        "request": request,
        "why": reason,
    }


TOOL = Tool(
    name="buy_prompt",
    title="Buy a prompt",
    description="Buy a listing or a set for your team from your own wallet. Beyond what you may spend by yourself a "
    "person is asked (status `waiting`): with wait_seconds the call waits for them, or call again later with the same "
    "key.",
    scope="market",
    arguments_type=BuyPromptArguments,
    output_type=BuyPromptOutput,
    run=_buy_prompt,
    polling=ToolPolling(
        refresh=_refresh,
        is_over=lambda output: output["status"] != "waiting",
        message="a person is asked to confirm the purchase",
    ),
)
