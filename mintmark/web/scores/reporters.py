"""The pages of reporting teams: what of their claims was run again, case by case, and asking for a re-run."""

import secrets

import numpy as np
from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone

from mintmark.accounts.models import Role, Team
from mintmark.claim_audits import policy, records, requests
from mintmark.common import errors
from mintmark.evidence.models import Event

from .. import decorators

CLAIMS_SHOWN = 20
VERDICTS_SHOWN = 50


@decorators.get_view
def list_reporters(request: HttpRequest) -> HttpResponseBase:
    """`/reporters`: the records of all teams that report claims, the worst first."""
    caller = decorators.get_caller(request)
    context = {
        "records": records.list_reporters(),
        "terms": policy.get_terms(),
        "is_admin": caller.is_admin,
        "own_team_ids": caller.team_ids,
    }
    return render(request, "web/reporters.html", context)


@decorators.get_view
def show_reporter(request: HttpRequest, team_id: int) -> HttpResponseBase:
    """`/reporters/<team>`: a team's record; for its members, administrators and auditors, the cases behind it."""
    caller = decorators.get_caller(request)
    team = _get_team(team_id)
    may_read = records.may_read_cases(caller=caller, team=team)
    may_ask = caller.has_role(Role.OPERATOR, team_id=team.pk)
    context = {
        "record": records.get_record(team=team),
        "may_read": may_read,
        "verdicts": records.list_verdicts(caller=caller, team=team, limit=VERDICTS_SHOWN)
        if may_read
        else [],
        "claims": records.list_claims(team=team, limit=CLAIMS_SHOWN) if may_ask else [],
        "may_ask": may_ask,
        "terms": policy.get_terms(),
    }
    return render(request, "web/reporter.html", context)


@decorators.post_view
def request_audit(request: HttpRequest, event_id: int) -> HttpResponseBase:
    """`/evidence/<id>/audit`: ask for a re-run of a claim."""
    event = Event.objects.select_related("prompt").filter(pk=event_id).first()
    if event is None:
        raise errors.NotFound(f"There is no event {event_id}.")
    requests.ask_for_audit(
        caller=decorators.get_caller(request),
        event=event,
        now=timezone.now(),
        rng=np.random.default_rng(secrets.randbits(128)),
    )
    messages.success(
        request, f"The worker runs event {event_id} again soon; its verdict shows here."
    )
    return redirect("reporter", event.cohort)


def _get_team(team_id: int) -> Team:
    team = Team.objects.filter(pk=team_id).first()
    if team is None:
        raise errors.NotFound(f"There is no team {team_id}.")
    return team
