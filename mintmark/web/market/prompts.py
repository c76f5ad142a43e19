"""The market: find a prompt that suits one's assistant, see what it costs and what speaks for it."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role
from mintmark.market import prompt_sets, search
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.market.models import PromptTokenListing
from mintmark.market.search import ListingPage, ListingQuery
from mintmark.registry import assistants, rituals
from mintmark.registry.models import Assistant, Prompt

from .. import decorators, query_params

CARDS_PER_PAGE = 20
SETS_SHOWN = 5
UNLISTED_SHOWN = 5
MAX_ASSISTANTS = 500
ORDERS = (
    ("trust", "trust, best first"),
    ("adoption", "most used"),
    ("newest", "newest"),
    ("price", "price, lowest first"),
    ("-price", "price, highest first"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveFilter:
    """A filter that is on: what it says, and the parameter that it is."""

    parameter: str
    label: str


@decorators.get_view
def show_market(request: HttpRequest) -> HttpResponseBase:
    """`/market/prompts`, and what it finds as a fragment while one types."""
    caller = decorators.get_caller(request)
    query = parse_query(request)
    results = SymbolicPromptTokenMarketplace().search(
        caller=caller, query=query, now=timezone.now()
    )
    fragment = "#found" if request.headers.get("HX-Request") == "true" else ""
    return render(
        request, f"web/market.html{fragment}", _build_context(query, results, caller=caller)
    )


def parse_query(request: HttpRequest) -> ListingQuery:
    """What the address asks for; a part that is not known is refused by name."""
    task = query_params.parse_integer(request.GET, "task")
    assistant = query_params.parse_integer(request.GET, "assistant")
    return ListingQuery(
        text=query_params.parse_text(request.GET, "q"),
        tag=query_params.parse_text(request.GET, "tag", max_length=100),
        task=rituals.resolve(reference=str(task)) if task is not None else None,
        licence=query_params.parse_text(request.GET, "licence", max_length=64),
        price_from=query_params.parse_price(request.GET, "price_from"),
        price_to=query_params.parse_price(request.GET, "price_to"),
        trust_from=query_params.parse_share(request.GET, "trust_from"),
        assistant=assistants.resolve(reference=str(assistant)) if assistant is not None else None,
        with_warranty=query_params.parse_flag(request.GET, "warranty"),
        order=query_params.parse_choice(
            request.GET, "order", allowed=search.SORT_ORDERS, default="trust"
        ),
        after=query_params.parse_page_token(request.GET, "after"),
        limit=CARDS_PER_PAGE,
    )


def _build_context(query: ListingQuery, results: ListingPage, *, caller: Caller) -> dict[str, Any]:
    position = results.cards[-1].sort_key if results.has_more else None
    return {
        "asked": query,
        "found": results,
        "more": f"{position[0]!r}_{position[1]}" if position is not None else None,
        "narrowed": _list_active_filters(query),
        "is_narrowed": bool(query.text or _list_active_filters(query)),
        "assistants": _list_assistants(query, caller=caller),
        "orders": ORDERS,
        "task_value": str(query.task.pk) if query.task is not None else "",
        "sets": prompt_sets.list_active_sets().annotate(size=Count("items"))[:SETS_SHOWN],
        "unlisted": _list_unlisted_prompts(caller),
    }


def _list_active_filters(query: ListingQuery) -> list[ActiveFilter]:
    """The filters that are on beside the words typed, each to be taken off by itself."""
    labels = {
        "task": f"task {query.task.name}" if query.task else "",
        "tag": f"tag {query.tag}" if query.tag else "",
        "licence": query.licence,
        "price_from": f"from {query.price_from:f} credits" if query.price_from is not None else "",
        "price_to": f"up to {query.price_to:f} credits" if query.price_to is not None else "",
        "trust_from": f"trust at least {query.trust_from:g}"
        if query.trust_from is not None
        else "",
        "warranty": "with a warranty" if query.with_warranty else "",
    }
    return [ActiveFilter(parameter=name, label=label) for name, label in labels.items() if label]


def _list_assistants(query: ListingQuery, *, caller: Caller) -> list[Assistant]:
    """The assistants whose trust can be asked for: the caller's own, and the one that the address names."""
    choices = list(assistants.list_own(caller=caller).order_by("name")[:MAX_ASSISTANTS])
    if query.assistant is not None and query.assistant not in choices:
        choices.append(query.assistant)
    return choices


def _list_unlisted_prompts(caller: Caller) -> list[Prompt]:
    """The newest prompts that the caller could offer and that are not on the market."""
    teams = [t for t in caller.team_ids if caller.has_role(Role.AUTHOR, team_id=t)]
    rows = Prompt.objects.filter(team__in=teams, is_open=False, tombstone__isnull=True)
    rows = rows.exclude(
        pk__in=PromptTokenListing.objects.filter(withdrawn_at=None).values("prompt")
    )
    return list(rows.defer("text", "wording").order_by("-id")[:UNLISTED_SHOWN])
