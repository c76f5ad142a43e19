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
from mintmark.common import errors
from mintmark.market import bundle_exports, lineage, prompt_sets
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.market.models import PromptSet, Purchase
from mintmark.registry import entitlements
from mintmark.registry.models import Assistant, Entitlement, Prompt
from mintmark.reputation.ledger import PromptReputationLedger
from mintmark.scoring.estimate import Estimate
from mintmark.vault import bundle_builder
from mintmark.vault.models import PromptMarketplaceVault

from .. import decorators, query_params
from . import bundle_list as shelf

CANDIDATES_SHOWN = 100
MAX_CHOSEN = 500
SETS_SHOWN = 100
PREVIEW, CREATE = "look", "make"


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleForm:
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
class BundleCandidate:
    """A prompt that the team may use; `obstacle` is why it can't be told elsewhere, "" where it can."""

    prompt: Prompt
    licence: str
    is_own: bool
    is_chosen: bool
    obstacle: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleItem:
    """A prompt that is about to be told, and what goes with it."""

    prompt: Prompt
    licence: str
    trust: Estimate
    ancestors: int
    holders: tuple[str, ...]
    obstacle: str


@decorators.form_view
def create_bundle(request: HttpRequest) -> HttpResponseBase:
    """`/vaults/new`; its first button shows what would be told, the second signs it."""
    caller, now = decorators.get_caller(request), timezone.now()
    teams = shelf.list_teams_with_role(caller, Role.AUTHOR, Role.OPERATOR)
    is_sent = request.method == "POST"
    data = request.POST if is_sent else request.GET
    form = _parse_form(data)
    team = next(
        (candidate for candidate in teams if candidate.pk == form.team), None
    ) or _choose_default_team(teams, caller)
    action = (
        query_params.parse_choice(data, "do", allowed=(PREVIEW, CREATE), default=PREVIEW)
        if is_sent
        else ""
    )
    error_message, items = "", []
    chosen_prompts = _load_chosen_prompts(form)
    if is_sent and team is not None:
        try:
            if action == CREATE:
                vault = _export_bundle(form, chosen_prompts, team=team, caller=caller, now=now)
                messages.success(request, f"{vault.name} was signed and stored. The file is ready.")
                return redirect("vault", vault.pk)
            if not chosen_prompts:
                raise errors.NotFound("Choose at least one prompt or a set.")
            items = _build_items(chosen_prompts, team=team, now=now)
        except errors.DomainError as error:
            error_message = error.message
            items = _build_items(chosen_prompts, team=team, now=now) if action == CREATE else []
    context = {
        "typed": _fill_from_set(form),
        "teams": teams,
        "team": team,
        "refusal": error_message,
        "lines": items,
        **_summarise(items, form),
        **(
            _build_choices(form, chosen_prompts, team=team)
            if team is not None and not items
            else {}
        ),
    }
    return render(request, "web/new_vault.html", context, status=422 if error_message else 200)


def _choose_default_team(teams: Sequence[Team], caller: Caller) -> Team | None:
    """The team that is chosen before one chooses: the caller's own, else the first."""
    own_team = next(
        (candidate for candidate in teams if candidate.pk == caller.principal.team_id), None
    )
    return own_team or next(iter(teams), None)


def _load_chosen_prompts(form: BundleForm) -> list[Prompt]:
    """The prompts that were ticked, and those of the set."""
    prompts_by_id = Prompt.objects.select_related("team", "tombstone").in_bulk(form.chosen)
    chosen_prompts = [prompts_by_id[pk] for pk in form.chosen if pk in prompts_by_id]
    if form.prompt_set:
        known = {prompt.pk for prompt in chosen_prompts}
        items = prompt_sets.get_prompt_set(reference=form.prompt_set).items.order_by("position")
        of_set = items.select_related("prompt__team", "prompt__tombstone")
        chosen_prompts += [item.prompt for item in of_set if item.prompt_id not in known]
    return chosen_prompts


def _export_bundle(
    form: BundleForm, chosen_prompts: Sequence[Prompt], *, team: Team, caller: Caller, now: datetime
) -> PromptMarketplaceVault:
    filled_form = _fill_from_set(form)
    assistant = Assistant.objects.filter(pk=form.assistant or 0, team=team).first()
    return SymbolicPromptTokenMarketplace().export_bundle(
        caller=caller,
        prompts=chosen_prompts,
        team=team,
        name=filled_form.name,
        title=filled_form.title,
        description=filled_form.description,
        with_events=form.with_events,
        owner_assistant=assistant,
        now=now,
    )


def _fill_from_set(form: BundleForm) -> BundleForm:
    """The form with the words of its set where none were typed."""
    if not form.prompt_set:
        return form
    prompt_set = prompt_sets.get_prompt_set(reference=form.prompt_set)
    return replace(
        form,
        name=form.name or prompt_set.name,
        title=form.title or prompt_set.title,
        description=form.description or prompt_set.description[:4_000],
    )


def _build_items(
    chosen_prompts: Sequence[Prompt], *, team: Team, now: datetime
) -> list[BundleItem]:
    obstacles = bundle_exports.list_export_obstacles(prompts=chosen_prompts, team=team)
    trust = PromptReputationLedger().get_estimates(prompts=list(chosen_prompts), now=now)
    licence = lineage.get_licences(prompts=chosen_prompts, team_id=team.pk)
    above = lineage.count_ancestors(prompts=chosen_prompts)
    royalties = lineage.list_royalties_by_prompt(prompts=chosen_prompts)
    return [
        BundleItem(
            prompt=prompt,
            licence=licence[prompt.pk],
            trust=trust[prompt.pk],
            ancestors=above[prompt.pk],
            holders=tuple(dict.fromkeys(owed.holder.name for owed in royalties[prompt.pk])),
            obstacle=obstacles.get(prompt.pk, ""),
        )
        for prompt in chosen_prompts
    ]


def _summarise(items: Sequence[BundleItem], form: BundleForm) -> dict[str, Any]:
    """What whoever gets the file will read, in numbers."""
    exportable_items = [item for item in items if not item.obstacle]
    ids = [item.prompt.pk for item in exportable_items]
    return {
        "told": exportable_items,
        "held_back": [item for item in items if item.obstacle],
        "events": bundle_builder.select_exported_events(ids).count() if form.with_events else 0,
        "holders": list(dict.fromkeys(name for item in exportable_items for name in item.holders)),
        "forebears": sum(item.ancestors > 0 for item in exportable_items),
    }


def _build_choices(
    form: BundleForm, chosen_prompts: Sequence[Prompt], *, team: Team
) -> dict[str, Any]:
    """What there is to choose from: the team's own first, then what it was given or bought, then what is open."""
    rows = list(_query_usable(team, q=form.q)[: CANDIDATES_SHOWN + 1])
    chosen_ids = {prompt.pk for prompt in chosen_prompts}
    shown_prompts = [
        *chosen_prompts,
        *(row for row in rows[:CANDIDATES_SHOWN] if row.pk not in chosen_ids),
    ]
    obstacles = bundle_exports.list_export_obstacles(prompts=shown_prompts, team=team)
    licence = lineage.get_licences(prompts=shown_prompts, team_id=team.pk)
    candidates = [
        BundleCandidate(
            prompt=prompt,
            licence=licence[prompt.pk],
            is_own=prompt.team_id == team.pk,
            is_chosen=prompt.pk in chosen_ids,
            obstacle=obstacles.get(prompt.pk, ""),
        )
        for prompt in shown_prompts
    ]
    return {
        "candidates": [candidate for candidate in candidates if not candidate.obstacle],
        "kept_back": [candidate for candidate in candidates if candidate.obstacle],
        "is_cut": len(rows) > CANDIDATES_SHOWN,
        "sets": _list_sets(team),
        "assistants": Assistant.objects.filter(team=team).order_by("name"),
    }


def _query_usable(team: Team, *, q: str) -> QuerySet[Prompt]:
    rows = Prompt.objects.filter(entitlements.build_usable_q(team_ids={team.pk}))
    if q:
        rows = rows.filter(Q(name__icontains=q) | Q(title__icontains=q) | Q(namespace__icontains=q))
    granted_q = Q(
        pk__in=Entitlement.objects.filter(team=team, ended_at__isnull=True).values("prompt")
    )
    if not q:
        rows = rows.filter(Q(team=team) | granted_q)
    return (
        rows.select_related("team", "tombstone")
        .annotate(is_theirs=~Q(team=team))
        .order_by("is_theirs", "-id")
    )


def _list_sets(team: Team) -> list[PromptSet]:
    """The sets that the team put together, or bought of."""
    bought_sets = Purchase.objects.filter(team=team, prompt_set__isnull=False).values("prompt_set")
    rows = PromptSet.objects.filter(Q(team=team) | Q(pk__in=bought_sets)).order_by("title")
    return list(rows[:SETS_SHOWN])


def _parse_form(data: QueryDict) -> BundleForm:
    ids = [pk for pk in data.getlist("prompt") if pk.isascii() and pk.isdigit() and len(pk) < 19]
    return BundleForm(
        team=query_params.parse_integer(data, "team"),
        chosen=tuple(dict.fromkeys(map(int, ids[:MAX_CHOSEN]))),
        prompt_set=data.get("set", "")[:64],
        name=data.get("name", "").strip()[:300],
        title=data.get("title", "").strip()[:300],
        description=data.get("description", "").replace("\r\n", "\n").strip()[:5_000],
        with_events=data.get("events") == "1",
        assistant=query_params.parse_integer(data, "assistant"),
        q=query_params.parse_text(data, "q"),
    )
