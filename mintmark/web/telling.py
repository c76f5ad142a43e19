"""The page where a bundle is made: choose what to tell, see what whoever gets the file will read, sign it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role, Team
from mintmark.core import errors
from mintmark.evidence.models import Event
from mintmark.market import bundles, lineage, prompt_sets
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.market.models import PromptSet, Purchase
from mintmark.registry import entitlements
from mintmark.registry.models import Assistant, Entitlement, Prompt
from mintmark.reputation.answers import Estimate
from mintmark.reputation.ledger import PromptReputationLedger
from mintmark.vault.models import PromptMarketplaceVault

from . import doors, parameters
from . import vaults as shelf

CANDIDATES_SHOWN = 100
MOST_CHOSEN = 500
SETS_SHOWN = 100
LOOK, MAKE = "look", "make"


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """The form as it was sent; `chosen` are ids of prompts, in the order of the form."""

    team: int | None = None
    chosen: tuple[int, ...] = ()
    prompt_set: str = ""
    name: str = ""
    title: str = ""
    description: str = ""
    with_events: bool = False
    assistant: int | None = None
    q: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A prompt that the team may use; `obstacle` is why it can't be told elsewhere, "" where it can."""

    prompt: Prompt
    licence: str
    is_own: bool
    is_chosen: bool
    obstacle: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A prompt that is about to be told, and what goes with it."""

    prompt: Prompt
    licence: str
    trust: Estimate
    ancestors: int
    holders: tuple[str, ...]
    obstacle: str


@doors.form
def page(request: HttpRequest) -> HttpResponseBase:
    """`/vaults/new`; its first button shows what would be told, the second signs it."""
    caller, now = doors.caller(request), timezone.now()
    teams = shelf.teams_of(caller, Role.AUTHOR, Role.OPERATOR)
    is_sent = request.method == "POST"
    given = request.POST if is_sent else request.GET
    typed = _typed(given)
    team = next((one for one in teams if one.pk == typed.team), None) or _usual(teams, caller)
    step = parameters.choice(given, "do", allowed=(LOOK, MAKE), default=LOOK) if is_sent else ""
    refusal, lines = "", []
    chosen = _chosen(typed)
    if is_sent and team is not None:
        try:
            if step == MAKE:
                made = _made(typed, chosen, team=team, caller=caller, now=now)
                messages.success(request, f"{made.name} is signed and kept. The file is ready.")
                return redirect("vault", made.pk)
            if not chosen:
                raise errors.NotFound("Nothing was chosen: tick at least one prompt, or a set.")
            lines = _lines(chosen, team=team, now=now)
        except errors.Refusal as refused:
            refusal = refused.message
            lines = _lines(chosen, team=team, now=now) if step == MAKE else []
    context = {
        "typed": _named(typed),
        "teams": teams,
        "team": team,
        "refusal": refusal,
        "lines": lines,
        **_foreseen(lines, typed),
        **(_choices(typed, chosen, team=team) if team is not None and not lines else {}),
    }
    return render(request, "web/new_vault.html", context, status=422 if refusal else 200)


def _usual(teams: Sequence[Team], caller: Caller) -> Team | None:
    """The team that is chosen before one chooses: the caller's own, else the first."""
    own = next((one for one in teams if one.pk == caller.principal.team_id), None)
    return own or next(iter(teams), None)


def _chosen(typed: Typed) -> list[Prompt]:
    """The prompts that were ticked, and those of the set."""
    found = Prompt.objects.select_related("team", "tombstone").in_bulk(typed.chosen)
    chosen = [found[pk] for pk in typed.chosen if pk in found]
    if typed.prompt_set:
        known = {prompt.pk for prompt in chosen}
        items = prompt_sets.named(reference=typed.prompt_set).items.order_by("position")
        of_set = items.select_related("prompt__team", "prompt__tombstone")
        chosen += [item.prompt for item in of_set if item.prompt_id not in known]
    return chosen


def _made(
    typed: Typed, chosen: Sequence[Prompt], *, team: Team, caller: Caller, now: datetime
) -> PromptMarketplaceVault:
    named = _named(typed)
    assistant = Assistant.objects.filter(pk=typed.assistant or 0, team=team).first()
    return SymbolicPromptTokenMarketplace().export(
        caller=caller,
        prompts=chosen,
        team=team,
        name=named.name,
        title=named.title,
        description=named.description,
        with_events=typed.with_events,
        owner_assistant=assistant,
        now=now,
    )


def _named(typed: Typed) -> Typed:
    """The form with the words of its set where none were typed."""
    if not typed.prompt_set:
        return typed
    found = prompt_sets.named(reference=typed.prompt_set)
    return replace(
        typed,
        name=typed.name or found.name,
        title=typed.title or found.title,
        description=typed.description or found.description[:4_000],
    )


def _lines(chosen: Sequence[Prompt], *, team: Team, now: datetime) -> list[Line]:
    obstacles = bundles.what_stands_in_the_way(prompts=chosen, team=team)
    trust = PromptReputationLedger().estimates(prompts=list(chosen), now=now)
    licence = lineage.licences_of(prompts=chosen, team_id=team.pk)
    above = lineage.generations_above(prompts=chosen)
    royalties = lineage.royalties(prompts=chosen)
    return [
        Line(
            prompt=prompt,
            licence=licence[prompt.pk],
            trust=trust[prompt.pk],
            ancestors=above[prompt.pk],
            holders=tuple(dict.fromkeys(owed.holder.name for owed in royalties[prompt.pk])),
            obstacle=obstacles.get(prompt.pk, ""),
        )
        for prompt in chosen
    ]


def _foreseen(lines: Sequence[Line], typed: Typed) -> dict[str, Any]:
    """What whoever gets the file will read, in numbers."""
    told = [line for line in lines if not line.obstacle]
    ids = [line.prompt.pk for line in told]
    return {
        "told": told,
        "held_back": [line for line in lines if line.obstacle],
        "events": Event.objects.filter(prompt__in=ids, admissible=True).count()
        if typed.with_events
        else 0,
        "holders": list(dict.fromkeys(name for line in told for name in line.holders)),
        "forebears": sum(line.ancestors > 0 for line in told),
    }


def _choices(typed: Typed, chosen: Sequence[Prompt], *, team: Team) -> dict[str, Any]:
    """What there is to choose from: the team's own first, then what it was given or bought, then what is open."""
    rows = list(_usable(team, q=typed.q)[: CANDIDATES_SHOWN + 1])
    listed = {prompt.pk for prompt in chosen}
    shown = [*chosen, *(row for row in rows[:CANDIDATES_SHOWN] if row.pk not in listed)]
    obstacles = bundles.what_stands_in_the_way(prompts=shown, team=team)
    licence = lineage.licences_of(prompts=shown, team_id=team.pk)
    candidates = [
        Candidate(
            prompt=prompt,
            licence=licence[prompt.pk],
            is_own=prompt.team_id == team.pk,
            is_chosen=prompt.pk in listed,
            obstacle=obstacles.get(prompt.pk, ""),
        )
        for prompt in shown
    ]
    return {
        "candidates": [one for one in candidates if not one.obstacle],
        "kept_back": [one for one in candidates if one.obstacle],
        "is_cut": len(rows) > CANDIDATES_SHOWN,
        "sets": _sets(team),
        "assistants": Assistant.objects.filter(team=team).order_by("name"),
    }


def _usable(team: Team, *, q: str) -> QuerySet[Prompt]:
    rows = Prompt.objects.filter(entitlements.served_to(team_ids={team.pk}))
    if q:
        rows = rows.filter(Q(name__icontains=q) | Q(title__icontains=q) | Q(namespace__icontains=q))
    granted = Q(
        pk__in=Entitlement.objects.filter(team=team, ended_at__isnull=True).values("prompt")
    )
    if not q:
        rows = rows.filter(Q(team=team) | granted)
    return (
        rows.select_related("team", "tombstone")
        .annotate(is_theirs=~Q(team=team))
        .order_by("is_theirs", "-id")
    )


def _sets(team: Team) -> list[PromptSet]:
    """The sets that the team put together, or bought of."""
    bought = Purchase.objects.filter(team=team, prompt_set__isnull=False).values("prompt_set")
    rows = PromptSet.objects.filter(Q(team=team) | Q(pk__in=bought)).order_by("title")
    return list(rows[:SETS_SHOWN])


def _typed(given: QueryDict) -> Typed:
    ids = [pk for pk in given.getlist("prompt") if pk.isascii() and pk.isdigit() and len(pk) < 19]
    return Typed(
        team=parameters.whole(given, "team"),
        chosen=tuple(dict.fromkeys(map(int, ids[:MOST_CHOSEN]))),
        prompt_set=given.get("set", "")[:64],
        name=given.get("name", "").strip()[:300],
        title=given.get("title", "").strip()[:300],
        description=given.get("description", "").replace("\r\n", "\n").strip()[:5_000],
        with_events=given.get("events") == "1",
        assistant=parameters.whole(given, "assistant"),
        q=parameters.text(given, "q"),
    )
