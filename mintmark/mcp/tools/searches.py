"""`search_market`: what is offered for tokens, ranked by what this assistant can trust."""

from datetime import datetime
from typing import Annotated, Literal, TypedDict

from pydantic import Field

from mintmark.core import cursors, money
from mintmark.market import search
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.market.search import Asked, Card
from mintmark.registry import rituals

from ..arguments import Arguments, Id, Price
from ..credentials import Holder
from ..refusals import InvalidCursor
from .tool import EstimateShape, PromptNamed, Tool, estimate, prompt


class Search(Arguments):
    """What to look for. Texts are not searched: names, titles, previews and tags are."""

    query: Annotated[str, Field(max_length=200, description="words")] = ""
    tag: Annotated[str, Field(max_length=100, description="such as task:summarise")] = ""
    ritual: Annotated[
        Id | Annotated[str, Field(min_length=1, max_length=300)] | None,
        Field(description="the task: a ritual's name or id"),
    ] = None
    licence: Annotated[str, Field(max_length=64, description="an SPDX identifier")] = ""
    price_to: Annotated[Price | None, Field(description="at most so many tokens")] = None
    trust_from: Annotated[
        float | None, Field(ge=0, le=1, description="the least lower bound of trust")
    ] = None
    warranty: Annotated[bool, Field(description="those with a warranty alone")] = False
    order: Literal["trust", "adoption", "newest", "price", "-price"] = "trust"
    limit: Annotated[int, Field(ge=1, le=50)] = 10
    cursor: Annotated[
        str | None, Field(max_length=500, description="next_cursor of the page before")
    ] = None


class Offered(TypedDict):
    """A listing. `trust` is what this assistant can expect of it; `held`: its team may use it already."""

    listing: int
    prompt: PromptNamed
    preview: str
    tags: list[str]
    price: str
    licence: str
    team: str
    trust: EstimateShape | None
    warranty: str | None
    held: bool


class Found(TypedDict):
    """A page of listings, out of `total` that fit."""

    total: int
    items: list[Offered]
    next_cursor: str | None


def _found(holder: Holder, asked: Search, now: datetime) -> Found:
    found = SymbolicPromptTokenMarketplace().search(
        caller=holder.caller,
        asked=Asked(
            text=asked.query,
            tag=asked.tag,
            task=rituals.named(reference=str(asked.ritual)) if asked.ritual is not None else None,
            licence=asked.licence,
            price_to=money.tokens(money.micro(asked.price_to)) if asked.price_to else None,
            trust_from=asked.trust_from,
            assistant=holder.assistant,
            with_warranty=asked.warranty,
            order=asked.order,
            after=_after(asked.cursor, order=asked.order),
            limit=asked.limit,
        ),
        now=now,
    )
    return {
        "total": found.total,
        "items": [_offered(card) for card in found.cards],
        "next_cursor": cursors.write((asked.order, *found.cards[-1].place))
        if found.has_more
        else None,
    }


def _offered(card: Card) -> Offered:
    row = card.listing
    return {
        "listing": row.pk,
        "prompt": prompt(row.prompt),
        "preview": row.prompt.preview,
        "tags": row.prompt.tags,
        "price": money.exact(row.price_micro),
        "licence": row.licence,
        "team": row.prompt.team.name,
        "trust": estimate(card.trust) if card.trust is not None else None,
        "warranty": f"at least {row.warranty_floor} on {row.warranty_ritual} over {row.warranty_runs} of your runs "
        f"within {row.warranty_days} days, or the price goes back"
        if row.warranty_ritual is not None
        else None,
        "held": card.is_held,
    }


def _after(cursor: str | None, *, order: str) -> search.Place | None:
    if cursor is None:
        return None
    try:
        given, value, pk = cursors.read(cursor, like=("", 0.0, 0))
        if given != order or not search.is_place(float(value), order=order):
            raise ValueError(cursor)
    except ValueError:
        raise InvalidCursor(
            f"The cursor {cursor[:60]!r} is not one of this search; begin again without it."
        ) from None
    return float(value), int(pk)


TOOL = Tool(
    name="search_market",
    title="Search the market",
    says="Find prompts that are offered for tokens, those first that you can trust most for your work. Their texts are "
    "shown once your team may use them: buy one with buy_prompt at the price that you see here.",
    scope="read",
    takes=Search,
    answers=Found,
    run=_found,
    reads=True,
)
