"""The page of what OpenTelemetry exporters send: what arrived, what was not read, and the mapping that reads it."""

from collections.abc import Sequence

import yaml
from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role, Team
from mintmark.core import errors
from mintmark.rituals import documents
from mintmark.telemetry import arrivals, evaluations, mappings
from mintmark.telemetry.models import Arrival, Mapping

from . import doors, parameters, places

MOST_CHARACTERS = 200_000
"""Of a mapping that is pasted; the API and the command line take more."""
ROWS_SHOWN = 100
SAVE, FORGET = "save", "forget"

EXAMPLE = """evaluations:
  Relevance: {ritual: relevance, worst: 1, best: 5}
  Toxicity: {ritual: toxicity, worst: 1, best: 0}
  Verdict: {ritual: relevance, labels: {pass: 1, fail: 0}}
  Thumb: {kind: approval}
assistant:
  attributes: [gen_ai.agent.name, service.name]
  names: {support-bot: scout}
prompt:
  names: {answer: acme/answer}
"""


@doors.form
def page(request: HttpRequest) -> HttpResponseBase:
    """`/otel`; its forms put a mapping in force, and begin to count anew."""
    caller = doors.caller(request)
    teams = _teams(caller)
    team = _chosen(request, teams, caller)
    typed, refusal = "", ""
    wrong: Sequence[places.Wrong] = ()
    if request.method == "POST" and team is not None:
        step = parameters.choice(request.POST, "do", allowed=(SAVE, FORGET), default=SAVE)
        typed = request.POST.get("text", "")
        try:
            said = _done(step, typed, team=team, caller=caller)
        except (mappings.InvalidMapping, documents.InvalidDocument) as refused:
            refusal, wrong = refused.message, places.of(refused, text=typed)
        else:
            messages.success(request, said)
            return redirect(f"{reverse('otel')}?team={team.name}")
    context: dict[str, object] = {
        "teams": teams,
        "team": team,
        "refusal": refusal,
        "wrong": wrong,
        "example": EXAMPLE,
    }
    if team is not None:
        context |= _shown(team, caller=caller, typed=typed)
    return render(request, "web/otel.html", context, status=422 if refusal else 200)


def _done(step: str, typed: str, *, team: Team, caller: Caller) -> str:
    if step == FORGET:
        arrivals.forget(caller=caller, team=team)
        return f"What arrives for team {team} is counted anew. Evidence stays as it is."
    if len(typed) > MOST_CHARACTERS:
        raise documents.InvalidDocument(
            f"It has {len(typed):,} characters, and a page takes {MOST_CHARACTERS:,}: use `mintmark otel set`."
        )
    made = mappings.put(caller=caller, team=team, document=mappings.read(typed), now=timezone.now())
    return f"Version {made.version} of the mapping is in force for team {team}."


def _shown(team: Team, *, caller: Caller, typed: str) -> dict[str, object]:
    rows = list(arrivals.of(caller=caller, team=team))
    fates = {row.fate: row.count for row in rows if row.fate in _WELL}
    rejected = [row for row in rows if row.fate in arrivals.CAUSES]
    mapping = mappings.current(team=team)
    return {
        "mapping": mapping,
        "mapped": mappings.document(mapping).evaluations.items(),
        "typed": typed or _spelled(mapping),
        "recorded": fates.get(arrivals.RECORDED, 0),
        "repeated": fates.get(arrivals.REPEATED, 0),
        "rejected": sum(row.count for row in rejected),
        "unmapped": [(row, arrivals.CAUSES[row.fate]) for row in rejected[:ROWS_SHOWN]],
        "more": len(rejected) - ROWS_SHOWN,
        "seen": [row for row in rows if row.fate == arrivals.SEEN][:ROWS_SHOWN],
        "since": min((row.first_at for row in rows), default=None),
        "event": evaluations.EVENT,
        "operates": caller.has_role(Role.OPERATOR, team_id=team.pk),
    }


_WELL = (arrivals.RECORDED, arrivals.REPEATED)


def _spelled(mapping: Mapping | None) -> str:
    if mapping is None:
        return ""
    return yaml.safe_dump(mapping.document, sort_keys=False, allow_unicode=True)


def _teams(caller: Caller) -> list[Team]:
    """The teams whose arrivals a caller may see, by name."""
    every = caller.has_role(Role.AUDITOR, team_id=None)
    rows = Team.objects.order_by("name")
    return list(rows if every else rows.filter(pk__in=caller.team_ids))


def _chosen(request: HttpRequest, teams: Sequence[Team], caller: Caller) -> Team | None:
    """The team that the address names; without one the caller's own, else that to which something came last, else the
    first."""
    name = parameters.text(request.GET, "team")
    if name:
        found = next((one for one in teams if one.name == name), None)
        if found is None:
            raise errors.Forbidden(f"You are in no team {name!r}, so what it is sent is not shown.")
        return found
    own = next((one for one in teams if one.pk == caller.principal.team_id), None)
    reached = Arrival.objects.filter(team__in=teams).order_by("-last_at").first()
    return own or (reached.team if reached else next(iter(teams), None))
