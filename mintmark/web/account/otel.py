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
from mintmark.common import documents, errors
from mintmark.otlp import ingest, ingest_counts, mappings
from mintmark.otlp.models import OtlpIngestCount, OtlpScoreMapping

from .. import decorators, query_params
from ..measuring import document_errors

MAX_CHARACTERS = 200_000
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


@decorators.form_view
def manage_mapping(request: HttpRequest) -> HttpResponseBase:
    """`/otel`; its forms put a mapping in force, and begin to count anew."""
    caller = decorators.get_caller(request)
    teams = _list_teams(caller)
    team = _choose_team(request, teams, caller)
    document, error_message = "", ""
    problems: Sequence[document_errors.DocumentError] = ()
    if request.method == "POST" and team is not None:
        action = query_params.parse_choice(request.POST, "do", allowed=(SAVE, FORGET), default=SAVE)
        document = request.POST.get("text", "")
        try:
            message = _apply_action(action, document, team=team, caller=caller)
        except (mappings.InvalidMapping, documents.InvalidDocument) as error:
            error_message, problems = (
                error.message,
                document_errors.list_document_errors(error, text=document),
            )
        else:
            messages.success(request, message)
            return redirect(f"{reverse('otel')}?team={team.name}")
    context: dict[str, object] = {
        "teams": teams,
        "team": team,
        "refusal": error_message,
        "wrong": problems,
        "example": EXAMPLE,
    }
    if team is not None:
        context |= _build_context(team, caller=caller, document=document)
    return render(request, "web/otel.html", context, status=422 if error_message else 200)


def _apply_action(action: str, document: str, *, team: Team, caller: Caller) -> str:
    if action == FORGET:
        ingest_counts.reset_counts(caller=caller, team=team)
        return f"The counts of team {team} start again at zero. Evidence is not affected."
    if len(document) > MAX_CHARACTERS:
        raise documents.InvalidDocument(
            f"It has {len(document):,} characters, and this page accepts {MAX_CHARACTERS:,}: use `mintmark otel set`."
        )
    mapping = mappings.set_mapping(
        caller=caller, team=team, document=mappings.parse_mapping(document), now=timezone.now()
    )
    return f"Version {mapping.version} of the mapping is in force for team {team}."


def _build_context(team: Team, *, caller: Caller, document: str) -> dict[str, object]:
    rows = list(ingest_counts.list_counts(caller=caller, team=team))
    fates = {row.fate: row.count for row in rows if row.fate in _ACCEPTED}
    rejected = [row for row in rows if row.fate in ingest_counts.REJECTION_CAUSES]
    mapping = mappings.get_current_mapping(team=team)
    return {
        "mapping": mapping,
        "mapped": mappings.load_document(mapping).evaluations.items(),
        "typed": document or _format_mapping(mapping),
        "recorded": fates.get(ingest_counts.RECORDED, 0),
        "repeated": fates.get(ingest_counts.REPEATED, 0),
        "rejected": sum(row.count for row in rejected),
        "unmapped": [
            (row, ingest_counts.REJECTION_CAUSES[row.fate]) for row in rejected[:ROWS_SHOWN]
        ],
        "more": len(rejected) - ROWS_SHOWN,
        "seen": [row for row in rows if row.fate == ingest_counts.SEEN_ATTRIBUTE][:ROWS_SHOWN],
        "since": min((row.first_at for row in rows), default=None),
        "event": ingest.EVALUATION_EVENT,
        "operates": caller.has_role(Role.OPERATOR, team_id=team.pk),
    }


_ACCEPTED = (ingest_counts.RECORDED, ingest_counts.REPEATED)


def _format_mapping(mapping: OtlpScoreMapping | None) -> str:
    if mapping is None:
        return ""
    return yaml.safe_dump(mapping.document, sort_keys=False, allow_unicode=True)


def _list_teams(caller: Caller) -> list[Team]:
    """The teams whose arrivals a caller may see, by name."""
    may_see_all = caller.has_role(Role.AUDITOR, team_id=None)
    rows = Team.objects.order_by("name")
    return list(rows if may_see_all else rows.filter(pk__in=caller.team_ids))


def _choose_team(request: HttpRequest, teams: Sequence[Team], caller: Caller) -> Team | None:
    """The team that the address names; without one the caller's own, else that to which something came last, else the
    first."""
    name = query_params.parse_text(request.GET, "team")
    if name:
        team = next((candidate for candidate in teams if candidate.name == name), None)
        if team is None:
            raise errors.Forbidden(f"You are not in a team {name!r}, so its events are not shown.")
        return team
    own_team = next(
        (candidate for candidate in teams if candidate.pk == caller.principal.team_id), None
    )
    latest_arrival = OtlpIngestCount.objects.filter(team__in=teams).order_by("-last_at").first()
    return own_team or (latest_arrival.team if latest_arrival else next(iter(teams), None))
