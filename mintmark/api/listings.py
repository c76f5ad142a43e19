"""`/market/listings`: prompts offered for tokens, found, explained, offered, repriced, withdrawn."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal, TypedDict

from django.utils import timezone
from ninja import Query
from pydantic import Field

from mintmark.accounts.callers import Caller
from mintmark.core import money
from mintmark.market import listings, search, warranties
from mintmark.market.listings import Offer, WarrantyTerms
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.market.metrics import Metrics
from mintmark.market.models import PromptTokenListing
from mintmark.market.search import Asked, Card
from mintmark.market.shares import Share
from mintmark.registry import prompts, rituals
from mintmark.registry.models import Assistant, Ritual

from . import amounts, clock, lookups, paging, shapes
from .amounts import Price, Tokens
from .answers import Created
from .bodies import MAX_ID, Body, Id, Reference
from .credentials import Request
from .routes import Routes
from .shapes import AsOf, EstimateShape, Policy, Score

routes = Routes(tag="listings")

Order = Literal["trust", "adoption", "newest", "price", "-price"]
AssistantId = Annotated[
    int | None, Query(None, ge=1, le=MAX_ID, description="the assistant whose trust counts")
]
Bound = Annotated[Price | None, Query(None)]
BasisPoints = Annotated[int, Field(description="hundredths of a percent")]


class WarrantyShape(TypedDict):
    """The seller's promise: the buyer's own outcomes on `ritual` reach `floor` over `runs` runs within `days` days of
    the purchase, or the price goes back."""

    ritual: shapes.RitualNamed | None
    floor: Score
    runs: int
    days: int


class CardShape(TypedDict):
    """A listing as the market shows it. `trust` is for the assistant asked for (null without one), `swarm` over all of
    them; `held`: the caller's teams may use it already; `own`: it is theirs; `forks` counts its forks."""

    id: int
    prompt: shapes.PromptNamed
    preview: str
    tags: list[str]
    parent: shapes.PromptNamed | None
    forks: int
    team: str
    seller: str
    price: Tokens
    licence: str
    royalty_bp: BasisPoints
    max_discount_bp: BasisPoints
    warranty: WarrantyShape | None
    trust: EstimateShape | None
    swarm: EstimateShape
    swarm_adoption_score: Score
    codex_usage_score: Score
    symbolic_tag_weight: Score
    scored_at: datetime | None
    held: bool
    own: bool
    listed_at: datetime
    withdrawn_at: datetime | None
    withdrawal_reason: str


class FacetShape(TypedDict):
    """A `value` to narrow the search to, and how many of the matches have it."""

    value: str
    label: str
    count: int


class FacetsShape(TypedDict):
    """What the matches can be narrowed by: `ritual`, `tag` and `licence` of the search."""

    rituals: list[FacetShape]
    tags: list[FacetShape]
    licences: list[FacetShape]


class CardPage(TypedDict):
    """A page of what was found; `total` and `facets` count all that fits."""

    as_of: AsOf
    policy: Policy
    total: int
    facets: FacetsShape
    items: list[CardShape]
    next_cursor: str | None


class TagShareShape(TypedDict):
    """A tag of the prompt, how many of the recent purchases carry it, and what share that is."""

    tag: str
    purchases: int
    share: Score


class MetricsShape(TypedDict):
    """The three scores with what they were counted from: `adopters` of `swarm` assistants; `uses_kept` of `uses` recent
    uses under contract; `tags` over `purchases` recent purchases."""

    swarm_adoption_score: Score
    adopters: int
    swarm: int
    codex_usage_score: Score
    uses_kept: int
    uses: int
    has_contract: bool
    symbolic_tag_weight: Score
    tags: list[TagShareShape]
    purchases: int


class ShareShape(TypedDict):
    """A part of the price: `role` is fee, royalty (for `ancestor`; null where that is another installation's, whose
    `reference` alone is known) or seller; the parts add up to the price."""

    role: Literal["fee", "royalty", "seller"]
    holder: str | None
    ancestor: shapes.PromptNamed | None
    reference: str
    rate_bp: BasisPoints
    amount: Tokens


class RecordShape(TypedDict):
    """How the warranties given for the prompt turned out so far."""

    open: int
    kept: int
    failed: int


class DisputeShape(TypedDict):
    """A warranty that failed: what was promised, and what the buying team measured (null: the prompt was withdrawn
    before it measured anything)."""

    team: str
    floor: Score | None
    score: Score | None
    runs: int
    settled_at: datetime | None


class ListingShape(CardShape):
    """A listing in full: its scores explained, its price parted, its warranties told. `metrics` are as of now; the
    scores beside the price are those that searches order by, as of `scored_at`."""

    as_of: AsOf
    policy: Policy
    metrics: MetricsShape
    shares: list[ShareShape]
    warranties: RecordShape
    disputes: list[DisputeShape]


class NewWarranty(Body):
    """The promise that a seller gives with a listing."""

    ritual: Id | Reference
    floor: Annotated[float, Field(gt=0, le=1)]
    runs: Annotated[int, Field(ge=1, le=1_000_000)]
    days: Annotated[int, Field(ge=1, le=365)]


class NewListing(Body):
    """A prompt of the caller's team to offer. `royalty_bp` is what forks will owe, `max_discount_bp` the discount at
    which others' sets may carry it; `preview` takes the place of the prompt's."""

    prompt: Id | Reference
    price: Price
    licence: Annotated[str, Field(max_length=64, description="an SPDX identifier")] = ""
    preview: Annotated[str, Field(max_length=400)] | None = None
    royalty_bp: Annotated[int, Field(ge=0, le=5_000)] = 0
    max_discount_bp: Annotated[int, Field(ge=0, le=9_000)] = 0
    warranty: NewWarranty | None = None


class NewPrice(Body):
    """What a listing is to cost from now on."""

    price: Price


@routes.get("/market/listings", scope="read", answer=CardPage, refuses=(400, 404))
def listed(
    request: Request,
    limit: paging.Limit,
    cursor: paging.Cursor,
    search: Annotated[
        str, Query("", max_length=200, description="words of names, titles, previews and tags")
    ],
    tag: Annotated[str, Query("", max_length=100)],
    ritual: Annotated[int | None, Query(None, ge=1, le=MAX_ID, description="a task's ritual")],
    licence: Annotated[str, Query("", max_length=64)],
    price_from: Bound,
    price_to: Bound,
    trust_from: Annotated[
        float | None, Query(None, ge=0, le=1, description="the least lower bound of trust")
    ],
    assistant: AssistantId,
    warranty: Annotated[bool, Query(False, description="those with a warranty alone")],
    order: Annotated[Order, Query("trust")],
) -> CardPage:
    """Find what is offered: by words, tag, task, licence, price, and by what an assistant can trust.

    Texts are not searched. In the order `trust`, and with `trust_from`, the newest 5,000 matches are ranked; trust that
    changes between two pages may show a listing twice or not at all.
    """
    found = SymbolicPromptTokenMarketplace().search(
        caller=request.auth,
        asked=Asked(
            text=search,
            tag=tag,
            task=lookups.by_id(Ritual.objects.all(), pk=ritual) if ritual is not None else None,
            licence=licence,
            price_from=_bound(price_from),
            price_to=_bound(price_to),
            trust_from=trust_from,
            assistant=_assistant(assistant),
            with_warranty=warranty,
            order=order,
            after=_after(cursor, order=order),
            limit=limit,
        ),
        now=clock.reading(),
    )
    return {
        **shapes.current(),
        "total": found.total,
        "facets": {
            "rituals": [_facet(facet) for facet in found.tasks],
            "tags": [_facet(facet) for facet in found.tags],
            "licences": [_facet(facet) for facet in found.licences],
        },
        "items": [_card(card) for card in found.cards],
        "next_cursor": (paging.write((order, *found.cards[-1].place)) if found.has_more else None),
    }


@routes.get("/market/listings/{int:listing_id}", scope="read", answer=ListingShape)
def shown(request: Request, listing_id: Id, assistant: AssistantId) -> ListingShape:
    """Show a listing, standing or withdrawn: its scores explained, its price parted, its warranties and disputes."""
    row = listings.of(pk=listing_id)
    return _shape(row, caller=request.auth, assistant=_assistant(assistant))


@routes.post(
    "/market/listings", scope="market", body=NewListing, answer=ListingShape, refuses=(404,)
)
def offered(request: Request, body: NewListing) -> Created[ListingShape]:
    """Offer a prompt for tokens; the caller is its seller.

    It takes the role author in the prompt's team. Terms stay as they are listed: only the price can change.
    """
    given = body.warranty
    row = SymbolicPromptTokenMarketplace().list_prompt(
        caller=request.auth,
        offer=Offer(
            prompt=prompts.named(reference=str(body.prompt)),
            token_cost=body.price,
            licence=body.licence,
            preview=body.preview,
            royalty_bp=body.royalty_bp,
            max_discount_bp=body.max_discount_bp,
            warranty=WarrantyTerms(
                ritual=rituals.named(reference=str(given.ritual)),
                floor=given.floor,
                runs=given.runs,
                days=given.days,
            )
            if given is not None
            else None,
        ),
        now=timezone.now(),
    )
    shape = _shape(listings.of(pk=row.pk), caller=request.auth)
    return Created(body=shape, location=f"/api/v1/market/listings/{row.pk}")


@routes.put(
    "/market/listings/{int:listing_id}/price", scope="market", body=NewPrice, answer=ListingShape
)
def repriced(request: Request, listing_id: Id, body: NewPrice) -> ListingShape:
    """Change what a listing costs from now on.

    Who has seen another price is not charged this one: his purchase is refused. It takes the role author in its team.
    """
    row = SymbolicPromptTokenMarketplace().reprice(
        caller=request.auth, listing=listings.of(pk=listing_id), token_cost=body.price
    )
    return _shape(listings.of(pk=row.pk), caller=request.auth)


@routes.delete("/market/listings/{int:listing_id}", scope="market")
def withdrawn(request: Request, listing_id: Id, reason: str = "") -> None:
    """Take a listing off the market, for a reason that is kept.

    Those who bought it keep it. It takes the role author in its team.
    """
    SymbolicPromptTokenMarketplace().withdraw_listing(
        caller=request.auth,
        listing=listings.of(pk=listing_id),
        reason=reason,
        now=timezone.now(),
    )


def _shape(
    row: PromptTokenListing, *, caller: Caller, assistant: Assistant | None = None
) -> ListingShape:
    now = clock.reading()
    market = SymbolicPromptTokenMarketplace()
    (card,) = search.cards(caller=caller, listings=[row], assistant=assistant, now=now)
    record = warranties.record(listing=row)
    return {
        **_card(card),
        **shapes.current(),
        "metrics": _metrics(market.metrics(prompt=row.prompt, now=now)),
        "shares": [_share(share) for share in market.shares(listing=row)],
        "warranties": {"open": record.open, "kept": record.kept, "failed": record.failed},
        "disputes": [
            {
                "team": failed.purchase.team.name,
                "floor": failed.purchase.listing.warranty_floor,
                "score": failed.score,
                "runs": failed.runs,
                "settled_at": failed.settled_at,
            }
            for failed in warranties.disputes(prompt=row.prompt)[:50]
        ],
    }


def _card(card: Card) -> CardShape:
    row = card.listing
    prompt = row.prompt
    return {
        "id": row.pk,
        "prompt": shapes.prompt(prompt),
        "preview": prompt.preview,
        "tags": prompt.tags,
        "parent": shapes.prompt(prompt.parent) if prompt.parent is not None else None,
        "forks": card.forks,
        "team": prompt.team.name,
        "seller": row.seller.name,
        "price": amounts.shown(row.price_micro),
        "licence": row.licence,
        "royalty_bp": row.royalty_bp,
        "max_discount_bp": row.max_discount_bp,
        "warranty": _warranty(row),
        "trust": shapes.estimate(card.trust) if card.trust is not None else None,
        "swarm": shapes.estimate(card.swarm),
        "swarm_adoption_score": row.swarm_adoption_score,
        "codex_usage_score": row.codex_usage_score,
        "symbolic_tag_weight": row.symbolic_tag_weight,
        "scored_at": row.scored_at,
        "held": card.is_held,
        "own": card.is_own,
        "listed_at": row.listed_at,
        "withdrawn_at": row.withdrawn_at,
        "withdrawal_reason": row.withdrawal_reason,
    }


def _warranty(row: PromptTokenListing) -> WarrantyShape | None:
    floor, runs, days = row.warranty_floor, row.warranty_runs, row.warranty_days
    if floor is None or runs is None or days is None:
        return None
    return {
        "ritual": shapes.ritual(row.warranty_ritual),
        "floor": floor,
        "runs": runs,
        "days": days,
    }


def _metrics(told: Metrics) -> MetricsShape:
    return {
        "swarm_adoption_score": told.swarm_adoption_score,
        "adopters": told.adopters,
        "swarm": told.swarm,
        "codex_usage_score": told.codex_usage_score,
        "uses_kept": told.uses_kept,
        "uses": told.uses,
        "has_contract": told.has_contract,
        "symbolic_tag_weight": told.symbolic_tag_weight,
        "tags": [
            {"tag": tag.tag, "purchases": tag.purchases, "share": tag.share} for tag in told.tags
        ],
        "purchases": told.purchases,
    }


def _share(share: Share) -> ShareShape:
    return {
        "role": share.role,  # type: ignore[typeddict-item]  # one of the three
        "holder": share.holder.name if share.holder is not None else None,
        "ancestor": shapes.prompt(share.ancestor) if share.ancestor is not None else None,
        "reference": share.reference,
        "rate_bp": share.rate_bp,
        "amount": amounts.shown(share.amount_micro),
    }


def _facet(facet: search.Facet) -> FacetShape:
    return {"value": facet.value, "label": facet.label, "count": facet.count}


def _assistant(assistant_id: int | None) -> Assistant | None:
    if assistant_id is None:
        return None
    return lookups.by_id(Assistant.objects.all(), pk=assistant_id)


def _bound(price: str | None) -> Decimal | None:
    return None if price is None else money.tokens(money.micro(price))


def _after(cursor: str | None, *, order: str) -> search.Place | None:
    """The place in a cursor, which must be one of this order."""
    key = paging.read(cursor, like=("", 0.0, 0))
    if key is None:
        return None
    given, value, pk = str(key[0]), float(key[1]), int(key[2])
    if given != order or not search.is_place(value, order=order):
        raise paging.unreadable(cursor)
    return value, pk
