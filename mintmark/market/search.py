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
from mintmark.reputation.answers import Estimate
from mintmark.reputation.ledger import PromptReputationLedger
from mintmark.trust.tracker import AssistantTrustTracker

from .models import PromptTokenListing, RoyaltyTerm

ORDERS = ("trust", "adoption", "newest", "price", "-price")
MOST_RANKED = 5_000
"""How many listings are ranked by an assistant's trust; of more, the newest are."""
_TRUST_DIGITS = 4
# Beyond these no order has a place: prices and scores here, ids there.
_FARTHEST = {"newest": 2.0**63}
_FARTHEST_OTHER = 1e9

type Place = tuple[float, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
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
    after: Place | None = None
    limit: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A listing as the market shows it. `trust` is for the assistant asked for, `swarm` over all of them; `is_held`
    says that the caller's teams may use it already; `royalty` is what its sales owe the nearest ancestor; `place` is
    where the next page begins after it."""

    listing: PromptTokenListing
    trust: Estimate | None
    swarm: Estimate
    is_held: bool
    is_own: bool
    forks: int
    royalty: RoyaltyTerm | None
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Facet:
    """A value that one can narrow the search to, and how many of the matches have it."""

    value: str
    label: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A page of cards, whether there is more, how many match in all, and what to narrow them by."""

    cards: tuple[Card, ...]
    has_more: bool
    total: int
    tasks: tuple[Facet, ...]
    tags: tuple[Facet, ...]
    licences: tuple[Facet, ...]


def find(*, caller: Caller, asked: Asked, now: datetime) -> Found:
    """The standing listings that fit, in the order asked for, from the place asked for."""
    rows, ranked = _ranked(_matching(asked), asked, now=now)
    page, more = ranked[: asked.limit], len(ranked) > asked.limit
    return Found(
        cards=tuple(_cards(page, caller=caller, asked=asked, now=now)),
        has_more=more,
        total=rows.count(),
        **_facets(rows),
    )


def cards(
    *,
    caller: Caller,
    listings: Sequence[PromptTokenListing],
    assistant: Assistant | None,
    now: datetime,
) -> list[Card]:
    """These listings as cards, in their order."""
    placed = [(listing, (0.0, listing.pk), None) for listing in listings]
    return _cards(placed, caller=caller, asked=Asked(assistant=assistant), now=now)


def is_place(value: float, *, order: str) -> bool:
    """Whether a card could stand there in this order."""
    return abs(value) <= _FARTHEST.get(order, _FARTHEST_OTHER)


type _Placed = tuple[PromptTokenListing, Place, Estimate | None]


def _matching(asked: Asked) -> QuerySet[PromptTokenListing]:
    rows = PromptTokenListing.objects.filter(
        withdrawn_at__isnull=True, prompt__tombstone__isnull=True
    )
    # Only what everybody may know is searched: never the text.
    for word in asked.text.split()[:8]:
        rows = rows.filter(
            Q(prompt__namespace__icontains=word)
            | Q(prompt__name__icontains=word)
            | Q(prompt__title__icontains=word)
            | Q(prompt__preview__icontains=word)
            | Q(prompt__taggings__tag__icontains=word)
        )
    if asked.tag:
        rows = rows.filter(prompt__taggings__tag=asked.tag)
    if asked.task is not None:
        rows = rows.filter(
            Q(prompt__standing__ritual__name=asked.task.name)
            | Q(prompt__taggings__tag=asked.task.tag)
        )
    if asked.licence:
        rows = rows.filter(licence=asked.licence)
    if asked.price_from is not None:
        rows = rows.filter(token_cost__gte=asked.price_from)
    if asked.price_to is not None:
        rows = rows.filter(token_cost__lte=asked.price_to)
    if asked.with_warranty:
        rows = rows.filter(warranty_ritual__isnull=False)
    return PromptTokenListing.objects.filter(pk__in=rows.values("pk"))


def _ranked(
    matching: QuerySet[PromptTokenListing], asked: Asked, *, now: datetime
) -> tuple[QuerySet[PromptTokenListing], list[_Placed]]:
    """All that fit (those below a bound of trust left out), and those of the page and one more, each with its place in
    the order."""
    rows = matching.select_related("prompt__team", "prompt__parent", "seller", "warranty_ritual")
    if asked.order != "trust" and asked.trust_from is None:
        return matching, [
            (listing, place, None)
            for listing in _keyset(rows, asked)
            for place in [_place(listing, asked)]
        ]
    listings = list(rows.defer("prompt__text", "prompt__wording").order_by("-id")[:MOST_RANKED])
    told = _trust([listing.prompt for listing in listings], asked=asked, now=now)
    placed: list[_Placed] = []
    for listing in listings:
        trust = told[listing.prompt_id]
        if asked.trust_from is not None and trust.low < asked.trust_from:
            continue
        # Evidence ages between one page and the next: an exact bound would show the last card again.
        by_trust = (-round(trust.low, _TRUST_DIGITS), -listing.pk)
        place = by_trust if asked.order == "trust" else _place(listing, asked)
        placed.append((listing, place, trust))
    if asked.trust_from is not None:
        matching = matching.filter(pk__in=[listing.pk for listing, _, _ in placed])
    placed.sort(key=lambda one: one[1])
    if asked.after is not None:
        placed = [one for one in placed if one[1] > asked.after]
    return matching, placed[: asked.limit + 1]


def _keyset(rows: QuerySet[PromptTokenListing], asked: Asked) -> QuerySet[PromptTokenListing]:
    """The next rows of an order that the database knows; places rise along every order."""
    column, sign = {
        "adoption": ("swarm_adoption_score", -1),
        "newest": ("id", -1),
        "price": ("token_cost", 1),
        "-price": ("token_cost", -1),
    }[asked.order]
    if asked.after is not None:
        value, pk = asked.after
        bound = (
            Decimal(repr(value)).quantize(Decimal("0.000001")) if column == "token_cost" else value
        )
        bound = bound * sign
        beyond = "gt" if sign > 0 else "lt"
        same = Q(**{column: bound}) & (Q(pk__gt=pk) if sign > 0 else Q(pk__lt=-pk))
        rows = rows.filter(Q(**{f"{column}__{beyond}": bound}) | same)
    order = (column, "id") if sign > 0 else (f"-{column}", "-id")
    return rows.order_by(*order)[: asked.limit + 1]


def _place(listing: PromptTokenListing, asked: Asked) -> Place:
    if asked.order == "adoption":
        return -listing.swarm_adoption_score, -listing.pk
    if asked.order == "newest":
        return -float(listing.pk), -listing.pk
    if asked.order == "price":
        return float(listing.token_cost), listing.pk
    return -float(listing.token_cost), -listing.pk


def _trust(prompts: list[Prompt], *, asked: Asked, now: datetime) -> dict[int, Estimate]:
    if asked.assistant is None:
        return PromptReputationLedger().estimates(prompts=prompts, now=now)
    return AssistantTrustTracker().estimates(assistant=asked.assistant, prompts=prompts, now=now)


def _cards(page: Sequence[_Placed], *, caller: Caller, asked: Asked, now: datetime) -> list[Card]:
    prompts = [listing.prompt for listing, _, _ in page]
    ids = [prompt.pk for prompt in prompts]
    swarm = PromptReputationLedger().estimates(prompts=prompts, now=now)
    trust: dict[int, Estimate] = {}
    if asked.assistant is not None:
        trust = _trust(prompts, asked=asked, now=now)
    served = entitlements.served_to(team_ids=caller.team_ids)
    held = set(Prompt.objects.filter(served, pk__in=ids).values_list("pk", flat=True))
    forks = dict(Prompt.objects.filter(parent__in=ids).values_list("parent").annotate(Count("pk")))
    terms = RoyaltyTerm.objects.filter(prompt__in=ids).select_related("ancestor")
    royalties = {term.prompt_id: term for term in terms}
    return [
        Card(
            listing=listing,
            trust=trust.get(listing.prompt_id),
            swarm=swarm[listing.prompt_id],
            is_held=listing.prompt_id in held,
            is_own=listing.prompt.team_id in caller.team_ids,
            forks=forks.get(listing.prompt_id, 0),
            royalty=royalties.get(listing.prompt_id),
            place=place,
        )
        for listing, place, _ in page
    ]


def _facets(rows: QuerySet[PromptTokenListing]) -> dict[str, Any]:
    licences = rows.values_list("licence").annotate(n=Count("pk")).order_by("-n", "licence")[:12]
    tags = (
        rows.filter(prompt__taggings__isnull=False)
        .values_list("prompt__taggings__tag")
        .annotate(n=Count("pk", distinct=True))
        .order_by("-n", "prompt__taggings__tag")[:40]
    )
    named = [(str(tag), n) for tag, n in tags]
    rituals = {
        ritual.tag: ritual
        for ritual in Ritual.objects.filter(tag__in=[tag for tag, _ in named]).order_by("-id")
    }
    return {
        "licences": tuple(Facet(value=name, label=name, count=n) for name, n in licences),
        "tasks": tuple(
            Facet(value=str(rituals[tag].pk), label=rituals[tag].name, count=n)
            for tag, n in named
            if tag in rituals
        ),
        "tags": tuple(
            Facet(value=tag, label=tag, count=n) for tag, n in named if tag not in rituals
        )[:12],
    }
