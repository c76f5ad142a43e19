"""`/market/listings`: prompts offered for tokens, found, explained, offered, repriced, withdrawn."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal, TypedDict

from django.utils import timezone
from ninja import Query
from pydantic import Field

from mintmark.accounts.callers import Caller
from mintmark.common import amounts
from mintmark.market import listings, search, warranties
from mintmark.market.listing_scores import ListingScores
from mintmark.market.listings import ListingOffer, WarrantyTerms
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.market.models import PromptTokenListing
from mintmark.market.price_breakdown import PriceBreakdownItem
from mintmark.market.search import ListingCard, ListingQuery
from mintmark.registry import prompts, rituals
from mintmark.registry.models import Assistant, Ritual

from . import amount_fields, get_or_404, pagination, read_time, schemas
from .amount_fields import Price, Tokens
from .authentication import AuthenticatedRequest
from .endpoints import Routes
from .request_body import MAX_ID, Id, Reference, RequestBody
from .responses import WriteResult
from .schemas import AsOf, EstimateOut, Policy, Score

routes = Routes(tag="listings")

ListingOrder = Literal["trust", "adoption", "newest", "price", "-price"]
AssistantId = Annotated[
    int | None, Query(None, ge=1, le=MAX_ID, description="the assistant whose trust counts")
]
PriceBound = Annotated[Price | None, Query(None)]
BasisPoints = Annotated[int, Field(description="hundredths of a percent")]


class WarrantyOut(TypedDict):
    """The seller's promise: the buyer's own outcomes on `ritual` reach `floor` over `runs` runs within `days` days of
    the purchase, or the price goes back."""

    ritual: schemas.RitualRef | None
    floor: Score
    runs: int
    days: int


class ListingCardOut(TypedDict):
    """A listing as the market shows it. `trust` is for the assistant asked for (null without one), `swarm` over all of
    them, `provenance` what its runs come from; `entitled`: the caller's teams may use it already; `is_own`: it is
    theirs; `forks` counts its forks."""

    id: int
    prompt: schemas.PromptRef
    preview: str
    tags: list[str]
    parent: schemas.PromptRef | None
    forks: int
    team: str
    seller: str
    price: Tokens
    licence: str
    royalty_bp: BasisPoints
    max_discount_bp: BasisPoints
    warranty: WarrantyOut | None
    trust: EstimateOut | None
    swarm: EstimateOut
    provenance: schemas.ProvenanceSharesOut
    swarm_adoption_score: Score
    codex_usage_score: Score
    symbolic_tag_weight: Score
    scored_at: datetime | None
    entitled: bool
    is_own: bool
    listed_at: datetime
    withdrawn_at: datetime | None
    withdrawal_reason: str


class FacetOut(TypedDict):
    """A `value` to narrow the search to, and how many of the matches have it."""

    value: str
    label: str
    count: int


class FacetsOut(TypedDict):
    """What the matches can be narrowed by: `ritual`, `tag` and `licence` of the search."""

    rituals: list[FacetOut]
    tags: list[FacetOut]
    licences: list[FacetOut]


class ListingCardPage(TypedDict):
    """A page of what was found; `total` and `facets` count all that fits."""

    as_of: AsOf
    policy: Policy
    total: int
    facets: FacetsOut
    items: list[ListingCardOut]
    next_cursor: str | None


class TagShareOut(TypedDict):
    """A tag of the prompt, how many of the recent purchases carry it, and what share that is."""

    tag: str
    purchases: int
    share: Score


class ListingMetricsOut(TypedDict):
    """The three scores with what they were counted from: `adopters` of `swarm` teams, with `assistants` of theirs;
    `uses_kept` of `uses` recent uses under contract; `tags` over `purchases` recent purchases."""

    swarm_adoption_score: Score
    adopters: int
    assistants: int
    swarm: int
    codex_usage_score: Score
    uses_kept: int
    uses: int
    has_contract: bool
    symbolic_tag_weight: Score
    tags: list[TagShareOut]
    purchases: int


class PriceShareOut(TypedDict):
    """A part of the price: `role` is fee, royalty (for `ancestor`; null where that is another installation's, whose
    `reference` alone is known) or seller; the parts add up to the price."""

    role: Literal["fee", "royalty", "seller"]
    holder: str | None
    ancestor: schemas.PromptRef | None
    reference: str
    rate_bp: BasisPoints
    amount: Tokens


class WarrantyRecordOut(TypedDict):
    """How the warranties given for the prompt turned out so far."""

    open: int
    fulfilled: int
    failed: int


class DisputeOut(TypedDict):
    """A warranty that failed: what was promised, and what the buying team measured (null: the prompt was withdrawn
    before it measured anything)."""

    team: str
    floor: Score | None
    score: Score | None
    runs: int
    settled_at: datetime | None


class ListingOut(ListingCardOut):
    """A listing in full: its scores explained, its price parted, its warranties told. `metrics` are as of now; the
    scores beside the price are those that searches order by, as of `scored_at`."""

    as_of: AsOf
    policy: Policy
    metrics: ListingMetricsOut
    shares: list[PriceShareOut]
    warranties: WarrantyRecordOut
    disputes: list[DisputeOut]


class NewWarranty(RequestBody):
    """The promise that a seller gives with a listing."""

    ritual: Id | Reference
    floor: Annotated[float, Field(gt=0, le=1)]
    runs: Annotated[int, Field(ge=1, le=1_000_000)]
    days: Annotated[int, Field(ge=1, le=365)]


class NewListing(RequestBody):
    """A prompt of the caller's team to offer. `royalty_bp` is what forks will owe, `max_discount_bp` the discount at
    which others' sets may carry it; `preview` takes the place of the prompt's."""

    prompt: Id | Reference
    price: Price
    licence: Annotated[str, Field(max_length=64, description="an SPDX identifier")] = ""
    preview: Annotated[str, Field(max_length=400)] | None = None
    royalty_bp: Annotated[int, Field(ge=0, le=5_000)] = 0
    max_discount_bp: Annotated[int, Field(ge=0, le=9_000)] = 0
    warranty: NewWarranty | None = None


class NewPrice(RequestBody):
    """What a listing is to cost from now on."""

    price: Price


@routes.get(
    "/market/listings", scope="read", response_schema=ListingCardPage, error_statuses=(400, 404)
)
def search_listings(
    request: AuthenticatedRequest,
    limit: pagination.Limit,
    cursor: pagination.Cursor,
    search: Annotated[
        str, Query("", max_length=200, description="words of names, titles, previews and tags")
    ],
    tag: Annotated[str, Query("", max_length=100)],
    ritual: Annotated[int | None, Query(None, ge=1, le=MAX_ID, description="a task's ritual")],
    licence: Annotated[str, Query("", max_length=64)],
    price_from: PriceBound,
    price_to: PriceBound,
    trust_from: Annotated[
        float | None, Query(None, ge=0, le=1, description="the least lower bound of trust")
    ],
    assistant: AssistantId,
    warranty: Annotated[bool, Query(False, description="those with a warranty alone")],
    order: Annotated[ListingOrder, Query("trust")],
) -> ListingCardPage:
    """Search the listings by words, tag, task, licence, price, and by the trust of an assistant.

    Texts are not searched. In the order `trust`, and with `trust_from`, the newest 5,000 matches are ranked; trust that
    changes between two pages may show a listing twice or not at all.
    """
    results = SymbolicPromptTokenMarketplace().search(
        caller=request.auth,
        query=ListingQuery(
            text=search,
            tag=tag,
            task=get_or_404.get_by_id(Ritual.objects.all(), pk=ritual)
            if ritual is not None
            else None,
            licence=licence,
            price_from=_parse_price_bound(price_from),
            price_to=_parse_price_bound(price_to),
            trust_from=trust_from,
            assistant=_find_assistant(assistant),
            with_warranty=warranty,
            order=order,
            after=_parse_cursor(cursor, order=order),
            limit=limit,
        ),
        now=read_time.get_read_time(),
    )
    return {
        **schemas.get_score_version(),
        "total": results.total,
        "facets": {
            "rituals": [_serialize_facet(facet) for facet in results.tasks],
            "tags": [_serialize_facet(facet) for facet in results.tags],
            "licences": [_serialize_facet(facet) for facet in results.licences],
        },
        "items": [_serialize_card(card) for card in results.cards],
        "next_cursor": (
            pagination.encode_cursor((order, *results.cards[-1].sort_key))
            if results.has_more
            else None
        ),
    }


@routes.get("/market/listings/{int:listing_id}", scope="read", response_schema=ListingOut)
def get_listing(
    request: AuthenticatedRequest, listing_id: Id, assistant: AssistantId
) -> ListingOut:
    """Show a listing, active or withdrawn: its scores explained, its price breakdown, its warranties and disputes."""
    row = listings.get_listing(pk=listing_id)
    return _serialize(row, caller=request.auth, assistant=_find_assistant(assistant))


@routes.post(
    "/market/listings",
    scope="market",
    body=NewListing,
    response_schema=ListingOut,
    error_statuses=(404,),
)
def create_listing(request: AuthenticatedRequest, body: NewListing) -> WriteResult[ListingOut]:
    """Offer a prompt for credits; the caller is its seller.

    It takes the role author in the prompt's team. Terms stay as they are listed: only the price can change.
    """
    warranty_terms = body.warranty
    row = SymbolicPromptTokenMarketplace().list_prompt(
        caller=request.auth,
        offer=ListingOffer(
            prompt=prompts.resolve(reference=str(body.prompt)),
            token_cost=body.price,
            licence=body.licence,
            preview=body.preview,
            royalty_bp=body.royalty_bp,
            max_discount_bp=body.max_discount_bp,
            warranty=WarrantyTerms(
                ritual=rituals.resolve(reference=str(warranty_terms.ritual)),
                floor=warranty_terms.floor,
                runs=warranty_terms.runs,
                days=warranty_terms.days,
            )
            if warranty_terms is not None
            else None,
        ),
        now=timezone.now(),
    )
    serialized = _serialize(listings.get_listing(pk=row.pk), caller=request.auth)
    return WriteResult(body=serialized, location=f"/api/v1/market/listings/{row.pk}")


@routes.put(
    "/market/listings/{int:listing_id}/price",
    scope="market",
    body=NewPrice,
    response_schema=ListingOut,
)
def reprice_listing(request: AuthenticatedRequest, listing_id: Id, body: NewPrice) -> ListingOut:
    """Change what a listing costs from now on.

    A buyer who saw another price is not charged this one: the purchase is refused. It takes the role author in its
    team.
    """
    row = SymbolicPromptTokenMarketplace().reprice(
        caller=request.auth, listing=listings.get_listing(pk=listing_id), token_cost=body.price
    )
    return _serialize(listings.get_listing(pk=row.pk), caller=request.auth)


@routes.delete("/market/listings/{int:listing_id}", scope="market")
def withdraw_listing(request: AuthenticatedRequest, listing_id: Id, reason: str = "") -> None:
    """Take a listing off the market, for a reason that is kept.

    Those who bought it keep it. It takes the role author in its team.
    """
    SymbolicPromptTokenMarketplace().withdraw_listing(
        caller=request.auth,
        listing=listings.get_listing(pk=listing_id),
        reason=reason,
        now=timezone.now(),
    )


def _serialize(
    row: PromptTokenListing, *, caller: Caller, assistant: Assistant | None = None
) -> ListingOut:
    now = read_time.get_read_time()
    market = SymbolicPromptTokenMarketplace()
    (card,) = search.build_cards(caller=caller, listings=[row], assistant=assistant, now=now)
    record = warranties.get_history(listing=row)
    return {
        **_serialize_card(card),
        **schemas.get_score_version(),
        "metrics": _serialize_metrics(market.compute_scores(prompt=row.prompt, now=now)),
        "shares": [_serialize_share(share) for share in market.build_price_breakdown(listing=row)],
        "warranties": {"open": record.open, "fulfilled": record.kept, "failed": record.failed},
        "disputes": [
            {
                "team": failed.purchase.team.name,
                "floor": failed.purchase.listing.warranty_floor,
                "score": failed.score,
                "runs": failed.runs,
                "settled_at": failed.settled_at,
            }
            for failed in warranties.list_disputes(prompt=row.prompt)[:50]
        ],
    }


def _serialize_card(card: ListingCard) -> ListingCardOut:
    row = card.listing
    prompt = row.prompt
    return {
        "id": row.pk,
        "prompt": schemas.serialize_prompt_ref(prompt),
        "preview": prompt.preview,
        "tags": prompt.tags,
        "parent": schemas.serialize_prompt_ref(prompt.parent)
        if prompt.parent is not None
        else None,
        "forks": card.forks,
        "team": prompt.team.name,
        "seller": row.seller.name,
        "price": amount_fields.format_tokens(row.price_micro),
        "licence": row.licence,
        "royalty_bp": row.royalty_bp,
        "max_discount_bp": row.max_discount_bp,
        "warranty": _serialize_warranty(row),
        "trust": schemas.serialize_estimate(card.trust) if card.trust is not None else None,
        "swarm": schemas.serialize_estimate(card.swarm),
        "provenance": schemas.serialize_provenance(card.provenance),
        "swarm_adoption_score": row.swarm_adoption_score,
        "codex_usage_score": row.codex_usage_score,
        "symbolic_tag_weight": row.symbolic_tag_weight,
        "scored_at": row.scored_at,
        "entitled": card.is_entitled,
        "is_own": card.is_own,
        "listed_at": row.listed_at,
        "withdrawn_at": row.withdrawn_at,
        "withdrawal_reason": row.withdrawal_reason,
    }


def _serialize_warranty(row: PromptTokenListing) -> WarrantyOut | None:
    floor, runs, days = row.warranty_floor, row.warranty_runs, row.warranty_days
    if floor is None or runs is None or days is None:
        return None
    return {
        "ritual": schemas.serialize_ritual_ref(row.warranty_ritual),
        "floor": floor,
        "runs": runs,
        "days": days,
    }


def _serialize_metrics(metrics: ListingScores) -> ListingMetricsOut:
    return {
        "swarm_adoption_score": metrics.swarm_adoption_score,
        "adopters": metrics.adopters,
        "assistants": metrics.assistants,
        "swarm": metrics.swarm,
        "codex_usage_score": metrics.codex_usage_score,
        "uses_kept": metrics.compliant_uses,
        "uses": metrics.uses,
        "has_contract": metrics.has_contract,
        "symbolic_tag_weight": metrics.symbolic_tag_weight,
        "tags": [
            {"tag": tag.tag, "purchases": tag.purchases, "share": tag.share} for tag in metrics.tags
        ],
        "purchases": metrics.purchases,
    }


def _serialize_share(share: PriceBreakdownItem) -> PriceShareOut:
    return {
        "role": share.role,  # type: ignore[typeddict-item]  # one of the three
        "holder": share.holder.name if share.holder is not None else None,
        "ancestor": schemas.serialize_prompt_ref(share.ancestor)
        if share.ancestor is not None
        else None,
        "reference": share.reference,
        "rate_bp": share.rate_bp,
        "amount": amount_fields.format_tokens(share.amount_micro),
    }


def _serialize_facet(facet: search.Facet) -> FacetOut:
    return {"value": facet.value, "label": facet.label, "count": facet.count}


def _find_assistant(assistant_id: int | None) -> Assistant | None:
    if assistant_id is None:
        return None
    return get_or_404.get_by_id(Assistant.objects.all(), pk=assistant_id)


def _parse_price_bound(price: str | None) -> Decimal | None:
    return None if price is None else amounts.to_tokens(amounts.to_micro(price))


def _parse_cursor(cursor: str | None, *, order: str) -> search.SortKey | None:
    """The place in a cursor, which must be one of this order."""
    key = pagination.decode_cursor(cursor, key_types=("", 0.0, 0))
    if key is None:
        return None
    cursor_order, value, pk = str(key[0]), float(key[1]), int(key[2])
    if cursor_order != order or not search.is_valid_sort_value(value, order=order):
        raise pagination.build_cursor_error(cursor)
    return value, pk
