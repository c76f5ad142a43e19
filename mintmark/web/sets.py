"""Prompt sets: those on offer, one of them with what it costs a team, and a form to put one together."""

from dataclasses import dataclass, field
from datetime import datetime

from django.contrib import messages
from django.db.models import Count
from django.http import HttpRequest, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role, Team
from mintmark.core import errors
from mintmark.market import prompt_sets
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.market.models import PromptSet, PromptTokenListing, Purchase
from mintmark.registry.models import Prompt
from mintmark.reputation.ledger import PromptReputationLedger

from . import buying, doors, parameters, vaults

SETS_A_PAGE = 30
CANDIDATES_SHOWN = 200
_PLACE = "place."


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """The form of a new set as it was sent; `places` are by prompt id, as typed."""

    team: int | None = None
    name: str = ""
    title: str = ""
    description: str = ""
    discount: str = ""
    places: dict[int, str] = field(default_factory=dict)


@doors.page
def page(request: HttpRequest) -> HttpResponseBase:
    """`/market/sets`: newest first."""
    before = parameters.whole(request.GET, "before")
    rows = prompt_sets.standing().annotate(size=Count("items"))
    if before is not None:
        rows = rows.filter(pk__lt=before)
    found = list(rows[: SETS_A_PAGE + 1])
    caller = doors.caller(request)
    quotes = [
        (one, quote, len(quote.lines) - len(quote.wanted))
        for one in found[:SETS_A_PAGE]
        for quote in [prompt_sets.quote(prompt_set=one, team_id=caller.principal.team_id)]
    ]
    context = {
        "quotes": quotes,
        "more": found[SETS_A_PAGE - 1].pk if len(found) > SETS_A_PAGE else None,
        "before": before,
        "may_curate": bool(_curating_teams(caller)),
    }
    return render(request, "web/sets.html", context)


@doors.page
def one(request: HttpRequest, name: str) -> HttpResponseBase:
    """`/market/sets/<name>`: what is in it, and what it costs a team."""
    found = prompt_sets.named(reference=name)
    caller, now = doors.caller(request), timezone.now()
    teams = buying.buying_teams(caller)
    wanted = parameters.whole(request.GET, "team") or caller.principal.team_id
    team = next((t for t in teams if t.pk == wanted), teams[0] if teams else None)
    quote = prompt_sets.quote(prompt_set=found, team_id=team.pk if team is not None else None)
    asked = [line.prompt for line in quote.lines]
    trust = PromptReputationLedger().estimates(prompts=asked, now=now)
    context = {
        "set": found,
        "quote": quote,
        "rows": [(line, trust[line.prompt.pk]) for line in quote.lines],
        "teams": teams,
        "team": team,
        "may_export": _exporting_team(found, caller=caller),
        "may_withdraw": caller.has_role(Role.AUTHOR, team_id=found.team_id),
    }
    return render(request, "web/set.html", context)


@doors.form
def new(request: HttpRequest) -> HttpResponseBase:
    """`/market/sets/new`: put listings together, one's own and those whose sellers allow the discount."""
    caller = doors.caller(request)
    typed, refusal = Typed(), ""
    if request.method == "POST":
        typed = _typed(request.POST)
        try:
            made = _curated(request.POST, typed, caller=caller, now=timezone.now())
        except errors.Refusal as refused:
            refusal = refused.message
        else:
            messages.success(request, f"The set {made.title} is on the market.")
            return redirect("set", made.name)
    candidates = _candidates(caller)
    context = {
        "typed": typed,
        "refusal": refusal,
        "teams": _curating_teams(caller),
        "candidates": [
            (listing, typed.places.get(listing.prompt_id, ""), is_own)
            for listing, is_own in candidates
        ],
        "is_cut": len(candidates) == CANDIDATES_SHOWN,
    }
    return render(request, "web/new_set.html", context, status=422 if refusal else 200)


@doors.action
def withdraw(request: HttpRequest, name: str) -> HttpResponseBase:
    """`/market/sets/<name>/withdraw`."""
    found = prompt_sets.named(reference=name)
    SymbolicPromptTokenMarketplace().withdraw_set(
        caller=doors.caller(request), prompt_set=found, now=timezone.now()
    )
    messages.success(request, f"The set {found.title} is off the market. Its listings stand.")
    return redirect("set", found.name)


def _exporting_team(found: PromptSet, *, caller: Caller) -> Team | None:
    """The team for which the caller may tell a set elsewhere: the one that put it together, or one that bought it."""
    bought = Purchase.objects.filter(prompt_set=found).values_list("team", flat=True)
    teams = vaults.teams_of(caller, Role.AUTHOR, Role.OPERATOR)
    return next((t for t in teams if t.pk == found.team_id or t.pk in set(bought)), None)


def _curating_teams(caller: Caller) -> list[Team]:
    return [
        team
        for team in Team.objects.order_by("name")
        if caller.has_role(Role.AUTHOR, team_id=team.pk)
    ]


def _candidates(caller: Caller) -> list[tuple[PromptTokenListing, bool]]:
    """Standing listings, and whether they are the caller's own: his first, then by what they allow."""
    rows = (
        PromptTokenListing.objects.filter(withdrawn_at__isnull=True)
        .select_related("prompt__team")
        .defer("prompt__text", "prompt__wording")
        .order_by("-max_discount_bp", "prompt__namespace", "prompt__name", "prompt__revision")
    )
    own = rows.filter(prompt__team__in=caller.team_ids)[:CANDIDATES_SHOWN]
    others = rows.exclude(prompt__team__in=caller.team_ids)[:CANDIDATES_SHOWN]
    return [*((row, True) for row in own), *((row, False) for row in others)][:CANDIDATES_SHOWN]


def _typed(given: QueryDict) -> Typed:
    places: dict[int, str] = {}
    for name in given:
        number, place = name.removeprefix(_PLACE), given.get(name, "").strip()
        if name.startswith(_PLACE) and _is_number(number) and place:
            places[int(number)] = place[:6]
    return Typed(
        team=parameters.whole(given, "team"),
        name=given.get("name", "").strip()[:200],
        title=given.get("title", "").strip()[:400],
        description=given.get("description", "").replace("\r\n", "\n").strip()[:20_000],
        discount=given.get("discount", "").strip()[:20],
        places=places,
    )


def _curated(given: QueryDict, typed: Typed, *, caller: Caller, now: datetime) -> PromptSet:
    team = next((one for one in _curating_teams(caller) if one.pk == typed.team), None)
    if team is None:
        raise errors.NotFound(
            "Choose a team for whose prompts you are an author: it puts the set together."
        )
    return SymbolicPromptTokenMarketplace().curate(
        caller=caller,
        team=team,
        name=typed.name,
        title=typed.title,
        prompts=_in_order(typed.places),
        description=typed.description,
        discount_bp=parameters.basis_points(given, "discount"),
        now=now,
    )


def _in_order(places: dict[int, str]) -> list[Prompt]:
    """The prompts that were given a place, by it; of equal places in the order of the form."""
    wrong = [place for place in places.values() if not _is_number(place)]
    if wrong:
        raise prompt_sets.InvalidPromptSet(
            f"The place {wrong[0]!r} is not a whole number: number the prompts 1, 2, 3 …"
        )
    found = Prompt.objects.select_related("team").in_bulk(places)
    chosen = sorted((int(place), n, pk) for n, (pk, place) in enumerate(places.items()))
    return [found[pk] for _, _, pk in chosen if pk in found]


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19
