"""Search: which listings fit, what they cost, and how far an assistant of mine can trust each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Count, Q, QuerySet

from mintmark.accounts.callers import Caller
from mintmark.registry import entitlements
from mintmark.registry.models import Assistant, Prompt, Ritual
from mintmark.reputation.ledger import PromptReputationLedger
from mintmark.reputation.results import ProvenanceShares
from mintmark.scoring.estimate import Estimate
from mintmark.trust.tracker import AssistantTrustTracker

from .models import PromptTokenListing, RoyaltyTerm

SORT_ORDERS = ("trust", "adoption", "newest", "price", "-price")
MAX_RANKED = 5_000
"""How many listings are ranked by an assistant's trust; of more, the newest are."""
_TRUST_DIGITS = 4
# Beyond these no order has a place: prices and scores here, ids there.
_MAX_SORT_VALUES = {"newest": 2.0**63}
_DEFAULT_MAX_SORT_VALUE = 1e9

type SortKey = tuple[float, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingQuery:
    """What is searched for. `assistant` is the one whose trust counts (None: trust over all); `after` is the place of
    the last card of the page before; prices in tokens; `trust_from` is the least lower bound of trust."""

    text: str = ""
    tag: str = ""
    task: Ritual | None = None
    licence: str = ""
    price_from: Decimal | None = None
    price_to: Decimal | None = None
    trust_from: float | None = None
    assistant: Assistant | None = None
    with_warranty: bool = False
    order: str = "trust"
    after: SortKey | None = None
    limit: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingCard:
    """A listing as the market shows it. `trust` is for the assistant asked for, `swarm` over all of them, with the
    `provenance` of its runs; `is_held` says that the caller's teams may use it already; `royalty` is what its sales owe
    the nearest ancestor; `place` is where the next page begins after it."""

    listing: PromptTokenListing
    trust: Estimate | None
    swarm: Estimate
    provenance: ProvenanceShares
    is_entitled: bool
    is_own: bool
    forks: int
    royalty: RoyaltyTerm | None
    sort_key: SortKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Facet:
    """A value that one can narrow the search to, and how many of the matches have it."""

    value: str
    label: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingPage:
    """A page of cards, whether there is more, how many match in all, and what to narrow them by."""

    cards: tuple[ListingCard, ...]
    has_more: bool
    total: int
    tasks: tuple[Facet, ...]
    tags: tuple[Facet, ...]
    licences: tuple[Facet, ...]


def search_listings(*, caller: Caller, query: ListingQuery, now: datetime) -> ListingPage:
    """The standing listings that fit, in the order asked for, from the place asked for."""
    rows, ranked = _rank_page(_filter_listings(query), query, now=now)
    page, has_more = ranked[: query.limit], len(ranked) > query.limit
    return ListingPage(
        cards=tuple(_build_cards(page, caller=caller, query=query, now=now)),
        has_more=has_more,
        total=rows.count(),
        **_count_facets(rows),
    )


def build_cards(
    *,
    caller: Caller,
    listings: Sequence[PromptTokenListing],
    assistant: Assistant | None,
    now: datetime,
) -> list[ListingCard]:
    """These listings as cards, in their order."""
    sorted_listings = [(listing, (0.0, listing.pk), None) for listing in listings]
    return _build_cards(
        sorted_listings, caller=caller, query=ListingQuery(assistant=assistant), now=now
    )


def is_valid_sort_value(value: float, *, order: str) -> bool:
    """Whether a card could stand there in this order."""
    return abs(value) <= _MAX_SORT_VALUES.get(order, _DEFAULT_MAX_SORT_VALUE)


type _SortedListing = tuple[PromptTokenListing, SortKey, Estimate | None]


def _filter_listings(query: ListingQuery) -> QuerySet[PromptTokenListing]:
    rows = PromptTokenListing.objects.filter(
        withdrawn_at__isnull=True, prompt__tombstone__isnull=True
    )
    # Only what everybody may know is searched: never the text.
    for word in query.text.split()[:8]:
        rows = rows.filter(
            Q(prompt__namespace__icontains=word)
            | Q(prompt__name__icontains=word)
            | Q(prompt__title__icontains=word)
            | Q(prompt__preview__icontains=word)
            | Q(prompt__taggings__tag__icontains=word)
        )
    if query.tag:
        rows = rows.filter(prompt__taggings__tag=query.tag)
    if query.task is not None:
        rows = rows.filter(
            Q(prompt__standing__ritual__name=query.task.name)
            | Q(prompt__taggings__tag=query.task.tag)
        )
    if query.licence:
        rows = rows.filter(licence=query.licence)
    if query.price_from is not None:
        rows = rows.filter(token_cost__gte=query.price_from)
    if query.price_to is not None:
        rows = rows.filter(token_cost__lte=query.price_to)
    if query.with_warranty:
        rows = rows.filter(warranty_ritual__isnull=False)
    return PromptTokenListing.objects.filter(pk__in=rows.values("pk"))


def _rank_page(
    matching: QuerySet[PromptTokenListing], query: ListingQuery, *, now: datetime
) -> tuple[QuerySet[PromptTokenListing], list[_SortedListing]]:
    """All that fit (those below a bound of trust left out), and those of the page and one more, each with its place in
    the order."""
    rows = matching.select_related("prompt__team", "prompt__parent", "seller", "warranty_ritual")
    if query.order != "trust" and query.trust_from is None:
        return matching, [
            (listing, sort_key, None)
            for listing in _select_page(rows, query)
            for sort_key in [_build_sort_key(listing, query)]
        ]
    listings = list(rows.defer("prompt__text", "prompt__wording").order_by("-id")[:MAX_RANKED])
    estimates = _estimate_trust([listing.prompt for listing in listings], query=query, now=now)
    sorted_listings: list[_SortedListing] = []
    for listing in listings:
        trust = estimates[listing.prompt_id]
        if query.trust_from is not None and trust.low < query.trust_from:
            continue
        # Evidence ages between one page and the next: an exact bound would show the last card again.
        trust_key = (-round(trust.low, _TRUST_DIGITS), -listing.pk)
        sort_key = trust_key if query.order == "trust" else _build_sort_key(listing, query)
        sorted_listings.append((listing, sort_key, trust))
    if query.trust_from is not None:
        matching = matching.filter(pk__in=[listing.pk for listing, _, _ in sorted_listings])
    sorted_listings.sort(key=lambda row: row[1])
    if query.after is not None:
        sorted_listings = [row for row in sorted_listings if row[1] > query.after]
    return matching, sorted_listings[: query.limit + 1]


def _select_page(
    rows: QuerySet[PromptTokenListing], query: ListingQuery
) -> QuerySet[PromptTokenListing]:
    """The next rows of an order that the database knows; places rise along every order."""
    column, sign = {
        "adoption": ("swarm_adoption_score", -1),
        "newest": ("id", -1),
        "price": ("token_cost", 1),
        "-price": ("token_cost", -1),
    }[query.order]
    if query.after is not None:
        value, pk = query.after
        bound = (
            Decimal(repr(value)).quantize(Decimal("0.000001")) if column == "token_cost" else value
        )
        bound = bound * sign
        lookup = "gt" if sign > 0 else "lt"
        same = Q(**{column: bound}) & (Q(pk__gt=pk) if sign > 0 else Q(pk__lt=-pk))
        rows = rows.filter(Q(**{f"{column}__{lookup}": bound}) | same)
    order = (column, "id") if sign > 0 else (f"-{column}", "-id")
    return rows.order_by(*order)[: query.limit + 1]


def _build_sort_key(listing: PromptTokenListing, query: ListingQuery) -> SortKey:
    if query.order == "adoption":
        return -listing.swarm_adoption_score, -listing.pk
    if query.order == "newest":
        return -float(listing.pk), -listing.pk
    if query.order == "price":
        return float(listing.token_cost), listing.pk
    return -float(listing.token_cost), -listing.pk


def _estimate_trust(
    prompts: list[Prompt], *, query: ListingQuery, now: datetime
) -> dict[int, Estimate]:
    if query.assistant is None:
        return PromptReputationLedger().get_estimates(prompts=prompts, now=now)
    return AssistantTrustTracker().get_estimates(
        assistant=query.assistant, prompts=prompts, now=now
    )


def _build_cards(
    page: Sequence[_SortedListing], *, caller: Caller, query: ListingQuery, now: datetime
) -> list[ListingCard]:
    prompts = [listing.prompt for listing, _, _ in page]
    ids = [prompt.pk for prompt in prompts]
    summaries = PromptReputationLedger().get_summaries(prompts=prompts, now=now)
    trust: dict[int, Estimate] = {}
    if query.assistant is not None:
        trust = _estimate_trust(prompts, query=query, now=now)
    usable = entitlements.build_usable_q(team_ids=caller.team_ids)
    entitled_ids = set(Prompt.objects.filter(usable, pk__in=ids).values_list("pk", flat=True))
    forks = dict(Prompt.objects.filter(parent__in=ids).values_list("parent").annotate(Count("pk")))
    terms = RoyaltyTerm.objects.filter(prompt__in=ids).select_related("ancestor")
    royalties = {term.prompt_id: term for term in terms}
    return [
        ListingCard(
            listing=listing,
            trust=trust.get(listing.prompt_id),
            swarm=summaries[listing.prompt_id].trust,
            provenance=summaries[listing.prompt_id].provenance,
            is_entitled=listing.prompt_id in entitled_ids,
            is_own=listing.prompt.team_id in caller.team_ids,
            forks=forks.get(listing.prompt_id, 0),
            royalty=royalties.get(listing.prompt_id),
            sort_key=sort_key,
        )
        for listing, sort_key, _ in page
    ]


def _count_facets(rows: QuerySet[PromptTokenListing]) -> dict[str, Any]:
    licences = rows.values_list("licence").annotate(n=Count("pk")).order_by("-n", "licence")[:12]
    tags = (
        rows.filter(prompt__taggings__isnull=False)
        .values_list("prompt__taggings__tag")
        .annotate(n=Count("pk", distinct=True))
        .order_by("-n", "prompt__taggings__tag")[:40]
    )
    tag_counts = [(str(tag), n) for tag, n in tags]
    rituals = {
        ritual.tag: ritual
        for ritual in Ritual.objects.filter(tag__in=[tag for tag, _ in tag_counts]).order_by("-id")
    }
    return {
        "licences": tuple(Facet(value=name, label=name, count=n) for name, n in licences),
        "tasks": tuple(
            Facet(value=str(rituals[tag].pk), label=rituals[tag].name, count=n)
            for tag, n in tag_counts
            if tag in rituals
        ),
        "tags": tuple(
            Facet(value=tag, label=tag, count=n) for tag, n in tag_counts if tag not in rituals
        )[:12],
    }
