"""`search_market`: what is offered for tokens, ranked by what this assistant can trust."""

from datetime import datetime
from typing import Annotated, Literal, TypedDict

from pydantic import Field

from mintmark.common import amounts, page_tokens
from mintmark.market import search
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.market.search import ListingCard, ListingQuery
from mintmark.registry import rituals

from ..arguments import Id, Price, ToolArguments
from ..credentials import KeyHolder
from ..error_mapping import InvalidListCursor
from .tool import Tool, ToolEstimate, ToolPromptRef, serialize_estimate, serialize_prompt_ref


class SearchMarketArguments(ToolArguments):
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


class OfferedListing(TypedDict):
    """A listing. `trust` is what this assistant can expect of it; `entitled`: its team may use it already."""

    listing: int
    prompt: ToolPromptRef
    preview: str
    tags: list[str]
    price: str
    licence: str
    team: str
    trust: ToolEstimate | None
    warranty: str | None
    entitled: bool


class SearchMarketOutput(TypedDict):
    """A page of listings, out of `total` that fit."""

    total: int
    items: list[OfferedListing]
    next_cursor: str | None


def _search_market(
    holder: KeyHolder, args: SearchMarketArguments, now: datetime
) -> SearchMarketOutput:
    results = SymbolicPromptTokenMarketplace().search(
        caller=holder.caller,
        query=ListingQuery(
            text=args.query,
            tag=args.tag,
            task=rituals.resolve(reference=str(args.ritual)) if args.ritual is not None else None,
            licence=args.licence,
            price_to=amounts.to_tokens(amounts.to_micro(args.price_to)) if args.price_to else None,
            trust_from=args.trust_from,
            assistant=holder.assistant,
            with_warranty=args.warranty,
            order=args.order,
            after=_parse_cursor(args.cursor, order=args.order),
            limit=args.limit,
        ),
        now=now,
    )
    return {
        "total": results.total,
        "items": [_serialize_listing(card) for card in results.cards],
        "next_cursor": page_tokens.encode((args.order, *results.cards[-1].sort_key))
        if results.has_more
        else None,
    }


def _serialize_listing(card: ListingCard) -> OfferedListing:
    row = card.listing
    return {
        "listing": row.pk,
        "prompt": serialize_prompt_ref(row.prompt),
        "preview": row.prompt.preview,
        "tags": row.prompt.tags,
        "price": amounts.format_exact(row.price_micro),
        "licence": row.licence,
        "team": row.prompt.team.name,
        "trust": serialize_estimate(card.trust) if card.trust is not None else None,
        "warranty": f"at least {row.warranty_floor} on {row.warranty_ritual} over {row.warranty_runs} of your runs "
        f"within {row.warranty_days} days, or the price goes back"
        if row.warranty_ritual is not None
        else None,
        "entitled": card.is_entitled,
    }


def _parse_cursor(cursor: str | None, *, order: str) -> search.SortKey | None:
    if cursor is None:
        return None
    try:
        cursor_order, value, pk = page_tokens.decode(cursor, example_key=("", 0.0, 0))
        if cursor_order != order or not search.is_valid_sort_value(float(value), order=order):
            raise ValueError(cursor)
    except ValueError:
        raise InvalidListCursor(
            f"The cursor {cursor[:60]!r} is not one of this search; begin again without it."
        ) from None
    return float(value), int(pk)


TOOL = Tool(
    name="search_market",
    title="Search the market",
    description="Find prompts that are offered for tokens, those first that you can trust most for your work. Their "
    "texts are shown once your team may use them: buy one with buy_prompt at the price that you see here.",
    scope="read",
    arguments_type=SearchMarketArguments,
    output_type=SearchMarketOutput,
    run=_search_market,
    is_read_only=True,
)
