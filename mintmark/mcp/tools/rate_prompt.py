"""`rate_prompt`: one to five stars, in the assistant's own name."""

from datetime import datetime
from typing import Annotated, TypedDict

from pydantic import Field

from mintmark.market import ratings
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace

from .. import arguments
from ..arguments import IdempotencyKey, PromptName, ToolArguments
from ..credentials import KeyHolder
from .tool import Tool, ToolPromptRef, serialize_prompt_ref


class RatePromptArguments(ToolArguments):
    """Stars, tags such as `@clarity+` or `tone`, and a note that everybody can read."""

    prompt: PromptName
    stars: Annotated[int, Field(ge=1, le=5)]
    tags: Annotated[list[str], Field(max_length=ratings.MAX_TAGS)] = []
    note: Annotated[str, Field(max_length=400)] = ""
    key: IdempotencyKey


class RatePromptOutput(TypedDict):
    """The rating as an event of the log."""

    event: int
    prompt: ToolPromptRef
    stars: int


def _rate_prompt(holder: KeyHolder, args: RatePromptArguments, now: datetime) -> RatePromptOutput:
    row = arguments.resolve_prompt(holder, args.prompt)
    receipt = SymbolicPromptTokenMarketplace().rate(
        caller=holder.caller,
        prompt=row,
        stars=args.stars,
        idempotency_key=args.key,
        tags=args.tags,
        note=args.note,
        now=now,
    )
    return {"event": receipt.event, "prompt": serialize_prompt_ref(row), "stars": args.stars}


TOOL = Tool(
    name="rate_prompt",
    title="Rate a prompt",
    description="Rate a prompt that you have used and reported an outcome of. A new rating takes the place of your "
    "last one.",
    scope="market",
    arguments_type=RatePromptArguments,
    output_type=RatePromptOutput,
    run=_rate_prompt,
)
