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
from mintmark.common import errors
from mintmark.market import prompt_sets
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.market.models import PromptSet, PromptTokenListing, Purchase
from mintmark.registry.models import Prompt
from mintmark.reputation.ledger import PromptReputationLedger

from .. import decorators, query_params
from ..vault import bundle_list
from . import checkout

SETS_PER_PAGE = 30
CANDIDATES_SHOWN = 200
_POSITION_PREFIX = "place."


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptSetForm:
    """The form of a new set as it was sent; `places` are by prompt id, as typed."""

    team: int | None = None
    name: str = ""
    title: str = ""
    description: str = ""
    discount: str = ""
    positions: dict[int, str] = field(default_factory=dict)


@decorators.get_view
def list_sets(request: HttpRequest) -> HttpResponseBase:
    """`/market/sets`: newest first."""
    before = query_params.parse_integer(request.GET, "before")
    rows = prompt_sets.list_active_sets().annotate(size=Count("items"))
    if before is not None:
        rows = rows.filter(pk__lt=before)
    fetched_rows = list(rows[: SETS_PER_PAGE + 1])
    caller = decorators.get_caller(request)
    quotes = [
        (prompt_set, quote, len(quote.items) - len(quote.items_to_buy))
        for prompt_set in fetched_rows[:SETS_PER_PAGE]
        for quote in [
            prompt_sets.build_quote(prompt_set=prompt_set, team_id=caller.principal.team_id)
        ]
    ]
    context = {
        "quotes": quotes,
        "more": fetched_rows[SETS_PER_PAGE - 1].pk if len(fetched_rows) > SETS_PER_PAGE else None,
        "before": before,
        "may_curate": bool(_list_curating_teams(caller)),
    }
    return render(request, "web/sets.html", context)


@decorators.get_view
def show_set(request: HttpRequest, name: str) -> HttpResponseBase:
    """`/market/sets/<name>`: what is in it, and what it costs a team."""
    prompt_set = prompt_sets.get_prompt_set(reference=name)
    caller, now = decorators.get_caller(request), timezone.now()
    teams = checkout.list_buying_teams(caller)
    team_id = query_params.parse_integer(request.GET, "team") or caller.principal.team_id
    team = next((t for t in teams if t.pk == team_id), teams[0] if teams else None)
    quote = prompt_sets.build_quote(
        prompt_set=prompt_set, team_id=team.pk if team is not None else None
    )
    set_prompts = [quote_line.prompt for quote_line in quote.items]
    trust = PromptReputationLedger().get_estimates(prompts=set_prompts, now=now)
    context = {
        "set": prompt_set,
        "quote": quote,
        "rows": [(quote_line, trust[quote_line.prompt.pk]) for quote_line in quote.items],
        "teams": teams,
        "team": team,
        "may_export": _find_exporting_team(prompt_set, caller=caller),
        "may_withdraw": caller.has_role(Role.AUTHOR, team_id=prompt_set.team_id),
    }
    return render(request, "web/set.html", context)


@decorators.form_view
def create_set(request: HttpRequest) -> HttpResponseBase:
    """`/market/sets/new`: put listings together, one's own and those whose sellers allow the discount."""
    caller = decorators.get_caller(request)
    form, error_message = PromptSetForm(), ""
    if request.method == "POST":
        form = _parse_form(request.POST)
        try:
            prompt_set = _create_set(request.POST, form, caller=caller, now=timezone.now())
        except errors.DomainError as error:
            error_message = error.message
        else:
            messages.success(request, f"The set {prompt_set.title} is on the market.")
            return redirect("set", prompt_set.name)
    candidates = _list_candidates(caller)
    context = {
        "typed": form,
        "refusal": error_message,
        "teams": _list_curating_teams(caller),
        "candidates": [
            (listing, form.positions.get(listing.prompt_id, ""), is_own)
            for listing, is_own in candidates
        ],
        "is_cut": len(candidates) == CANDIDATES_SHOWN,
    }
    return render(request, "web/new_set.html", context, status=422 if error_message else 200)


@decorators.post_view
def withdraw_set(request: HttpRequest, name: str) -> HttpResponseBase:
    """`/market/sets/<name>/withdraw`."""
    prompt_set = prompt_sets.get_prompt_set(reference=name)
    SymbolicPromptTokenMarketplace().withdraw_prompt_set(
        caller=decorators.get_caller(request), prompt_set=prompt_set, now=timezone.now()
    )
    messages.success(
        request, f"The set {prompt_set.title} was withdrawn. Its listings are still for sale."
    )
    return redirect("set", prompt_set.name)


def _find_exporting_team(prompt_set: PromptSet, *, caller: Caller) -> Team | None:
    """The team for which the caller may tell a set elsewhere: the one that put it together, or one that bought it."""
    buyer_team_ids = Purchase.objects.filter(prompt_set=prompt_set).values_list("team", flat=True)
    teams = bundle_list.list_teams_with_role(caller, Role.AUTHOR, Role.OPERATOR)
    return next(
        (t for t in teams if t.pk == prompt_set.team_id or t.pk in set(buyer_team_ids)), None
    )


def _list_curating_teams(caller: Caller) -> list[Team]:
    return [
        team
        for team in Team.objects.order_by("name")
        if caller.has_role(Role.AUTHOR, team_id=team.pk)
    ]


def _list_candidates(caller: Caller) -> list[tuple[PromptTokenListing, bool]]:
    """Standing listings, and whether they are the caller's own: his first, then by what they allow."""
    rows = (
        PromptTokenListing.objects.filter(withdrawn_at__isnull=True)
        .select_related("prompt__team")
        .defer("prompt__text", "prompt__wording")
        .order_by("-max_discount_bp", "prompt__namespace", "prompt__name", "prompt__revision")
    )
    own_rows = rows.filter(prompt__team__in=caller.team_ids)[:CANDIDATES_SHOWN]
    other_rows = rows.exclude(prompt__team__in=caller.team_ids)[:CANDIDATES_SHOWN]
    return [*((row, True) for row in own_rows), *((row, False) for row in other_rows)][
        :CANDIDATES_SHOWN
    ]


def _parse_form(data: QueryDict) -> PromptSetForm:
    positions: dict[int, str] = {}
    for name in data:
        number, position = name.removeprefix(_POSITION_PREFIX), data.get(name, "").strip()
        if name.startswith(_POSITION_PREFIX) and _is_number(number) and position:
            positions[int(number)] = position[:6]
    return PromptSetForm(
        team=query_params.parse_integer(data, "team"),
        name=data.get("name", "").strip()[:200],
        title=data.get("title", "").strip()[:400],
        description=data.get("description", "").replace("\r\n", "\n").strip()[:20_000],
        discount=data.get("discount", "").strip()[:20],
        positions=positions,
    )


def _create_set(
    data: QueryDict, form: PromptSetForm, *, caller: Caller, now: datetime
) -> PromptSet:
    team = next(
        (candidate for candidate in _list_curating_teams(caller) if candidate.pk == form.team), None
    )
    if team is None:
        raise errors.NotFound("Choose a team in which you are an author.")
    return SymbolicPromptTokenMarketplace().create_prompt_set(
        caller=caller,
        team=team,
        name=form.name,
        title=form.title,
        prompts=_list_in_order(form.positions),
        description=form.description,
        discount_bp=query_params.parse_basis_points(data, "discount"),
        now=now,
    )


def _list_in_order(positions: dict[int, str]) -> list[Prompt]:
    """The prompts that were given a place, by it; of equal places in the order of the form."""
    invalid_positions = [position for position in positions.values() if not _is_number(position)]
    if invalid_positions:
        raise prompt_sets.InvalidPromptSet(
            f"The position {invalid_positions[0]!r} is not a whole number. Number the prompts 1, 2, 3 …"
        )
    prompts_by_id = Prompt.objects.select_related("team").in_bulk(positions)
    chosen = sorted((int(position), n, pk) for n, (pk, position) in enumerate(positions.items()))
    return [prompts_by_id[pk] for _, _, pk in chosen if pk in prompts_by_id]


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19
