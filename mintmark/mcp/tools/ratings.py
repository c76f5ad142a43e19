"""`rate_prompt`: one to five stars, in the assistant's own name."""

from datetime import datetime
from typing import Annotated, TypedDict

from pydantic import Field

from mintmark.market import ratings
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace

from .. import arguments
from ..arguments import Arguments, Key, PromptName
from ..credentials import Holder
from .tool import PromptNamed, Tool, prompt


class NewRating(Arguments):
    """Stars, tags such as `@clarity+` or `tone`, and a note that everybody can read."""

    prompt: PromptName
    stars: Annotated[int, Field(ge=1, le=5)]
    tags: Annotated[list[str], Field(max_length=ratings.MOST_TAGS)] = []
    note: Annotated[str, Field(max_length=400)] = ""
    key: Key


class Rated(TypedDict):
    """The rating as an event of the log."""

    event: int
    prompt: PromptNamed
    stars: int


def _rated(holder: Holder, given: NewRating, now: datetime) -> Rated:
    row = arguments.prompt(holder, given.prompt)
    receipt = SymbolicPromptTokenMarketplace().rate(
        caller=holder.caller,
        prompt=row,
        stars=given.stars,
        key=given.key,
        tags=given.tags,
        note=given.note,
        now=now,
    )
    return {"event": receipt.event, "prompt": prompt(row), "stars": given.stars}


TOOL = Tool(
    name="rate_prompt",
    title="Rate a prompt",
    says="Rate a prompt that you have used and reported an outcome of. A new rating takes the place of your last one.",
    scope="market",
    takes=NewRating,
    answers=Rated,
    run=_rated,
)
