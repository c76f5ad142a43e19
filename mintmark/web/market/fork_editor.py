"""The fork editor: change a text, see what the change would do to trust before a single run, register it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.db.models import Count
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role, Team
from mintmark.common import errors
from mintmark.common import licences as terms
from mintmark.market import forks, lineage, listings
from mintmark.market.forks import ForkDraft
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.registry import assistants, prompts
from mintmark.registry.models import Assistant, Prompt

from .. import decorators, query_params
from ..scores import foresight_panel
from . import licences

MAX_ASSISTANTS = 8
SUGGESTED_CHANGES = (
    "@clarity+",
    "@length-",
    "@length+",
    "@tone-shift",
    "@format",
    "@examples+",
    "@language",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForkForm:
    """The form as it was sent, or as it is first shown."""

    text: str
    namespace: str
    name: str
    title: str
    preview: str
    changes: tuple[str, ...]
    more_changes: str
    tags: str
    licence: str
    forked_by: int | None

    @property
    def all_changes(self) -> list[str]:
        return list(dict.fromkeys((*self.changes, *self.more_changes.replace(",", " ").split())))


@decorators.form_view
def fork_prompt(request: HttpRequest, prompt_id: int) -> HttpResponseBase:
    """`/prompts/<id>/fork`; what an edit would do as a fragment while one types; the registration itself."""
    parent = prompts.resolve(reference=str(prompt_id))
    caller, now = decorators.get_caller(request), timezone.now()
    data = request.POST if request.method == "POST" else request.GET
    teams = _list_author_teams(caller)
    team = _choose_team(teams, query_params.parse_integer(data, "team"))
    fork_obstacle = forks.list_fork_obstacles(caller=caller, parent=parent, team=team)
    if fork_obstacle or team is None:
        context = {"prompt": parent, "missing": fork_obstacle} | _describe_alternatives(
            parent, caller=caller
        )
        return render(request, "web/fork.html", context, status=403)
    form = (
        _parse_form(data, parent) if request.method == "POST" else _build_initial_form(parent, team)
    )
    if request.headers.get("HX-Request") == "true":
        return render(
            request, "web/fork.html#look", _build_preview(parent, form, caller=caller, now=now)
        )
    error_message = ""
    if data.get("do") == "register" and data.get("seen_team") != str(team.pk):
        error_message = "Another team was chosen. Check the licence and the royalties again."
    elif request.method == "POST" and data.get("do") == "register":
        try:
            child = _create_fork(parent, form, team=team, caller=caller, now=now)
        except errors.DomainError as error:
            error_message = error.message
        else:
            messages.success(
                request,
                f"{child.reference} is registered. It starts from half its parent's evidence.",
            )
            return redirect("reputation", child.pk)
    context = (
        _build_preview(parent, form, caller=caller, now=now)
        | _build_form_context(parent, team, teams=teams, caller=caller)
        | {"typed": form, "problem": error_message, "held": foresight_panel.get_track_record()}
    )
    return render(request, "web/fork.html", context, status=422 if error_message else 200)


def _build_preview(
    parent: Prompt, form: ForkForm, *, caller: Caller, now: datetime
) -> dict[str, Any]:
    """What the edit changes: the difference, and the trust that the text would have."""
    own_assistants = _list_assistants(caller)
    return {
        "prompt": parent,
        "diff": forks.diff(before=parent.text, after=form.text),
        "is_changed": form.text != parent.text,
        **foresight_panel.build_foresight(
            text=form.text, parent=parent, assistants=own_assistants[:MAX_ASSISTANTS], now=now
        ),
        "left_out": max(0, len(own_assistants) - MAX_ASSISTANTS),
    }


def _build_form_context(
    parent: Prompt, team: Team, *, teams: Sequence[Team], caller: Caller
) -> dict[str, Any]:
    """What the form offers, and what it says of licence and royalties."""
    is_own = parent.team_id == team.pk
    licence = lineage.get_licence(prompt=parent, team_id=team.pk)
    licence_terms = lineage.get_licence_permissions(prompt=parent, team_id=team.pk)
    operated_assistants = [
        assistant
        for assistant in _list_assistants(caller)
        if caller.has_role(Role.OPERATOR, team_id=assistant.team_id)
    ]
    keeps_licence = licence_terms.forks_keep_licence and not is_own
    return {
        "team": team,
        "teams": teams,
        "is_own": is_own,
        "usual_changes": SUGGESTED_CHANGES,
        "operated": operated_assistants,
        "licence": licence,
        "licence_name": licences.get_name(licence),
        "licence_choices": licences.list_choices(only=licence if keeps_licence else ""),
        "keeps_licence": keeps_licence,
        "may_sell": is_own or licence_terms.allows_sale_of_forks,
        "owed": _list_royalties_due(parent, team),
    }


def _list_royalties_due(parent: Prompt, team: Team) -> list[lineage.RoyaltyDue]:
    """What a sale of the fork would owe, nearest generation first, if it were made now."""
    royalties_due = []
    listing = lineage.find_applicable_listing(prompt=parent, team_id=team.pk)
    if parent.team_id != team.pk and listing is not None and listing.royalty_bp:
        royalties_due.append(
            lineage.RoyaltyDue(
                holder=listing.seller,
                ancestor=parent,
                reference=parent.reference,
                rate_bp=listing.royalty_bp,
            )
        )
    return royalties_due + lineage.list_royalties(prompt=parent)


def _describe_alternatives(parent: Prompt, *, caller: Caller) -> dict[str, Any]:
    """What one who may not fork can do instead."""
    return {
        "listing": listings.find_active_listing(prompt=parent),
        "may_read": prompts.may_read_text(caller=caller, prompt=parent),
    }


def _create_fork(
    parent: Prompt, form: ForkForm, *, team: Team, caller: Caller, now: datetime
) -> Prompt:
    forked_by = next(
        (candidate for candidate in _list_assistants(caller) if candidate.pk == form.forked_by),
        None,
    )
    if form.forked_by is not None and forked_by is None:
        raise errors.NotFound("Choose one of your own assistants under ‘Forked by’.")
    draft = ForkDraft(
        namespace=form.namespace,
        name=form.name,
        text=form.text,
        changes=form.all_changes,
        title=form.title,
        preview=form.preview,
        tags=form.tags.replace(",", " ").split(),
        licence=form.licence,
        forked_by=forked_by,
    )
    return SymbolicPromptTokenMarketplace().fork(
        caller=caller, parent=parent, draft=draft, team=team, now=now
    )


def _build_initial_form(parent: Prompt, team: Team) -> ForkForm:
    """The form before anything was typed: the parent's text, under a name that one's team can take."""
    newest = Prompt.objects.filter(team=team).order_by("-id").first()
    is_own = parent.team_id == team.pk
    namespace = parent.namespace if is_own else newest.namespace if newest else team.name
    return ForkForm(
        text=parent.text,
        namespace=namespace,
        name=parent.name,
        title=parent.title,
        preview="",
        changes=(),
        more_changes="",
        tags=" ".join(tag for tag in parent.tags if " " not in tag),
        licence="",
        forked_by=None,
    )


def _parse_form(data: Any, parent: Prompt) -> ForkForm:
    """The form as it was sent."""
    text = data.get("text", "")
    if "\r\n" not in parent.text:
        # Browsers send every line's end as two characters; a text that has one keeps one.
        text = text.replace("\r\n", "\n")
    return ForkForm(
        text=text,
        namespace=data.get("namespace", "").strip(),
        name=data.get("name", "").strip(),
        title=data.get("title", "").strip()[:200],
        preview=data.get("preview", "").replace("\r\n", "\n").strip()[:400],
        changes=tuple(data.getlist("change")),
        more_changes=data.get("more_changes", ""),
        tags=data.get("tags", ""),
        licence=data.get("licence", "") if data.get("licence", "") in terms.PERMISSIONS else "",
        forked_by=query_params.parse_integer(data, "forked_by"),
    )


def _list_author_teams(caller: Caller) -> list[Team]:
    """The teams for which the caller may register prompts."""
    rows = Team.objects.order_by("name")
    if not caller.is_admin:
        rows = rows.filter(pk__in=caller.team_ids)
    return [team for team in rows if caller.has_role(Role.AUTHOR, team_id=team.pk)]


def _choose_team(teams: Sequence[Team], team_id: int | None) -> Team | None:
    return next((team for team in teams if team.pk == team_id), teams[0] if teams else None)


def _list_assistants(caller: Caller) -> list[Assistant]:
    """The caller's assistants, those that have tried most first."""
    rows = assistants.list_own(caller=caller).select_related("team")
    return list(rows.annotate(tried=Count("trust_map")).order_by("-tried", "name"))
