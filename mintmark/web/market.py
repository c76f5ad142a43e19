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
from mintmark.market.search import Asked, Found
from mintmark.registry import assistants, rituals
from mintmark.registry.models import Assistant, Prompt

from . import doors, parameters

CARDS_A_PAGE = 20
SETS_SHOWN = 5
OWN_SHOWN = 5
MOST_ASSISTANTS = 500
ORDERS = (
    ("trust", "trust, best first"),
    ("adoption", "most adopted"),
    ("newest", "newest"),
    ("price", "price, lowest first"),
    ("-price", "price, highest first"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowed:
    """A filter that is on: what it says, and the parameter that it is."""

    parameter: str
    words: str


@doors.page
def page(request: HttpRequest) -> HttpResponseBase:
    """`/market/prompts`, and what it finds as a fragment while one types."""
    caller = doors.caller(request)
    asked = parse(request)
    found = SymbolicPromptTokenMarketplace().search(caller=caller, asked=asked, now=timezone.now())
    part = "#found" if request.headers.get("HX-Request") == "true" else ""
    return render(request, f"web/market.html{part}", _shown(asked, found, caller=caller))


def parse(request: HttpRequest) -> Asked:
    """What the address asks for; a part that is not known is refused by name."""
    task = parameters.whole(request.GET, "task")
    assistant = parameters.whole(request.GET, "assistant")
    return Asked(
        text=parameters.text(request.GET, "q"),
        tag=parameters.text(request.GET, "tag", longest=100),
        task=rituals.named(reference=str(task)) if task is not None else None,
        licence=parameters.text(request.GET, "licence", longest=64),
        price_from=parameters.price(request.GET, "price_from"),
        price_to=parameters.price(request.GET, "price_to"),
        trust_from=parameters.share(request.GET, "trust_from"),
        assistant=assistants.named(reference=str(assistant)) if assistant is not None else None,
        with_warranty=parameters.flag(request.GET, "warranty"),
        order=parameters.choice(request.GET, "order", allowed=search.ORDERS, default="trust"),
        after=parameters.mark(request.GET, "after"),
        limit=CARDS_A_PAGE,
    )


def _shown(asked: Asked, found: Found, *, caller: Caller) -> dict[str, Any]:
    place = found.cards[-1].place if found.has_more else None
    return {
        "asked": asked,
        "found": found,
        "more": f"{place[0]!r}_{place[1]}" if place is not None else None,
        "narrowed": _narrowed(asked),
        "is_narrowed": bool(asked.text or _narrowed(asked)),
        "assistants": _choices(asked, caller=caller),
        "orders": ORDERS,
        "task_value": str(asked.task.pk) if asked.task is not None else "",
        "sets": prompt_sets.standing().annotate(size=Count("items"))[:SETS_SHOWN],
        "unlisted": _unlisted(caller),
    }


def _narrowed(asked: Asked) -> list[Narrowed]:
    """The filters that are on beside the words typed, each to be taken off by itself."""
    found = {
        "task": f"task {asked.task.name}" if asked.task else "",
        "tag": f"tag {asked.tag}" if asked.tag else "",
        "licence": asked.licence,
        "price_from": f"from {asked.price_from:f} tokens" if asked.price_from is not None else "",
        "price_to": f"up to {asked.price_to:f} tokens" if asked.price_to is not None else "",
        "trust_from": f"trust at least {asked.trust_from:g}"
        if asked.trust_from is not None
        else "",
        "warranty": "with a warranty" if asked.with_warranty else "",
    }
    return [Narrowed(parameter=name, words=words) for name, words in found.items() if words]


def _choices(asked: Asked, *, caller: Caller) -> list[Assistant]:
    """The assistants whose trust can be asked for: the caller's own, and the one that the address names."""
    own = list(assistants.of_teams(caller=caller).order_by("name")[:MOST_ASSISTANTS])
    if asked.assistant is not None and asked.assistant not in own:
        own.append(asked.assistant)
    return own


def _unlisted(caller: Caller) -> list[Prompt]:
    """The newest prompts that the caller could offer and that are not on the market."""
    teams = [t for t in caller.team_ids if caller.has_role(Role.AUTHOR, team_id=t)]
    rows = Prompt.objects.filter(team__in=teams, is_open=False, tombstone__isnull=True)
    rows = rows.exclude(
        pk__in=PromptTokenListing.objects.filter(withdrawn_at=None).values("prompt")
    )
    return list(rows.defer("text", "wording").order_by("-id")[:OWN_SHOWN])
