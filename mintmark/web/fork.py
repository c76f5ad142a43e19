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
from mintmark.core import errors
from mintmark.core import licences as terms
from mintmark.market import forks, lineage, listings
from mintmark.market.forks import ForkDraft
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.registry import assistants, prompts
from mintmark.registry.models import Assistant, Prompt

from . import doors, foreseen, licences, parameters

MOST_ASSISTANTS = 8
USUAL_CHANGES = (
    "@clarity+",
    "@length-",
    "@length+",
    "@tone-shift",
    "@format",
    "@examples+",
    "@language",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
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


@doors.form
def page(request: HttpRequest, prompt_id: int) -> HttpResponseBase:
    """`/prompts/<id>/fork`; what an edit would do as a fragment while one types; the registration itself."""
    parent = prompts.named(reference=str(prompt_id))
    caller, now = doors.caller(request), timezone.now()
    given = request.POST if request.method == "POST" else request.GET
    teams = _teams(caller)
    team = _chosen(teams, parameters.whole(given, "team"))
    missing = forks.why_not(caller=caller, parent=parent, team=team)
    if missing or team is None:
        context = {"prompt": parent, "missing": missing} | _ways(parent, caller=caller)
        return render(request, "web/fork.html", context, status=403)
    typed = _typed(given, parent) if request.method == "POST" else _first(parent, team)
    if request.headers.get("HX-Request") == "true":
        return render(request, "web/fork.html#look", _look(parent, typed, caller=caller, now=now))
    problem = ""
    if given.get("do") == "register" and given.get("seen_team") != str(team.pk):
        problem = (
            "Another team was chosen: look once more at its licence and what its sales will owe."
        )
    elif request.method == "POST" and given.get("do") == "register":
        try:
            child = _fork(parent, typed, team=team, caller=caller, now=now)
        except errors.Refusal as refusal:
            problem = refusal.message
        else:
            messages.success(
                request,
                f"{child.reference} is registered. It starts from half its parent's evidence and earns its own from "
                "there.",
            )
            return redirect("reputation", child.pk)
    context = (
        _look(parent, typed, caller=caller, now=now)
        | _form(parent, team, teams=teams, caller=caller)
        | {"typed": typed, "problem": problem, "held": foreseen.record()}
    )
    return render(request, "web/fork.html", context, status=422 if problem else 200)


def _look(parent: Prompt, typed: Typed, *, caller: Caller, now: datetime) -> dict[str, Any]:
    """What the edit changes: the difference, and the trust that the text would have."""
    mine = _assistants(caller)
    return {
        "prompt": parent,
        "diff": forks.diff(before=parent.text, after=typed.text),
        "is_changed": typed.text != parent.text,
        **foreseen.of(text=typed.text, parent=parent, assistants=mine[:MOST_ASSISTANTS], now=now),
        "left_out": max(0, len(mine) - MOST_ASSISTANTS),
    }


def _form(parent: Prompt, team: Team, *, teams: Sequence[Team], caller: Caller) -> dict[str, Any]:
    """What the form offers, and what it says of licence and royalties."""
    is_own = parent.team_id == team.pk
    licence = lineage.licence_of(prompt=parent, team_id=team.pk)
    allowed = lineage.terms_of(prompt=parent, team_id=team.pk)
    operated = [
        one for one in _assistants(caller) if caller.has_role(Role.OPERATOR, team_id=one.team_id)
    ]
    keeps = allowed.forks_keep_it and not is_own
    return {
        "team": team,
        "teams": teams,
        "is_own": is_own,
        "usual_changes": USUAL_CHANGES,
        "operated": operated,
        "licence": licence,
        "licence_name": licences.name(licence),
        "licence_choices": licences.choices(only=licence if keeps else ""),
        "keeps_licence": keeps,
        "may_sell": is_own or allowed.allows_sale_of_forks,
        "owed": _owed(parent, team),
    }


def _owed(parent: Prompt, team: Team) -> list[lineage.Owed]:
    """What a sale of the fork would owe, nearest generation first, if it were made now."""
    found = []
    listing = lineage.listing_for(prompt=parent, team_id=team.pk)
    if parent.team_id != team.pk and listing is not None and listing.royalty_bp:
        found.append(
            lineage.Owed(
                holder=listing.seller,
                ancestor=parent,
                reference=parent.reference,
                rate_bp=listing.royalty_bp,
            )
        )
    return found + lineage.royalties_of(prompt=parent)


def _ways(parent: Prompt, *, caller: Caller) -> dict[str, Any]:
    """What one who may not fork can do instead."""
    return {
        "listing": listings.standing(prompt=parent),
        "may_read": prompts.may_read_text(caller=caller, prompt=parent),
    }


def _fork(parent: Prompt, typed: Typed, *, team: Team, caller: Caller, now: datetime) -> Prompt:
    by = next((one for one in _assistants(caller) if one.pk == typed.forked_by), None)
    if typed.forked_by is not None and by is None:
        raise errors.NotFound("Choose one of your own assistants as the one that forked it.")
    draft = ForkDraft(
        namespace=typed.namespace,
        name=typed.name,
        text=typed.text,
        changes=typed.all_changes,
        title=typed.title,
        preview=typed.preview,
        tags=typed.tags.replace(",", " ").split(),
        licence=typed.licence,
        forked_by=by,
    )
    return SymbolicPromptTokenMarketplace().fork(
        caller=caller, parent=parent, draft=draft, team=team, now=now
    )


def _first(parent: Prompt, team: Team) -> Typed:
    """The form before anything was typed: the parent's text, under a name that one's team can take."""
    newest = Prompt.objects.filter(team=team).order_by("-id").first()
    is_own = parent.team_id == team.pk
    namespace = parent.namespace if is_own else newest.namespace if newest else team.name
    return Typed(
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


def _typed(given: Any, parent: Prompt) -> Typed:
    """The form as it was sent."""
    text = given.get("text", "")
    if "\r\n" not in parent.text:
        # Browsers send every line's end as two characters; a text that has one keeps one.
        text = text.replace("\r\n", "\n")
    return Typed(
        text=text,
        namespace=given.get("namespace", "").strip(),
        name=given.get("name", "").strip(),
        title=given.get("title", "").strip()[:200],
        preview=given.get("preview", "").replace("\r\n", "\n").strip()[:400],
        changes=tuple(given.getlist("change")),
        more_changes=given.get("more_changes", ""),
        tags=given.get("tags", ""),
        licence=given.get("licence", "") if given.get("licence", "") in terms.KNOWN else "",
        forked_by=parameters.whole(given, "forked_by"),
    )


def _teams(caller: Caller) -> list[Team]:
    """The teams for which the caller may register prompts."""
    rows = Team.objects.order_by("name")
    if not caller.is_admin:
        rows = rows.filter(pk__in=caller.team_ids)
    return [one for one in rows if caller.has_role(Role.AUTHOR, team_id=one.pk)]


def _chosen(teams: Sequence[Team], number: int | None) -> Team | None:
    return next((one for one in teams if one.pk == number), teams[0] if teams else None)


def _assistants(caller: Caller) -> list[Assistant]:
    """The caller's assistants, those that have tried most first."""
    rows = assistants.of_teams(caller=caller).select_related("team")
    return list(rows.annotate(tried=Count("trust_map")).order_by("-tried", "name"))
