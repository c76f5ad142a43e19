"""`/reporters`: the teams that report outcomes, what of their claims was run again, and what audits may cost."""

import secrets
from datetime import datetime
from typing import Annotated, TypedDict

import numpy as np
from django.utils import timezone
from pydantic import Field

from mintmark.accounts.models import Team
from mintmark.claim_audits import policy, records, requests
from mintmark.claim_audits.models import ClaimAudit
from mintmark.evidence.models import Event

from . import get_or_404, schemas
from .authentication import AuthenticatedRequest
from .endpoints import Routes
from .request_body import Id, RequestBody
from .responses import WriteResult
from .schemas import Score

routes = Routes(tag="reporters")


class TeamRef(TypedDict):
    id: int
    name: str


class ReporterRecordOut(TypedDict):
    """A team's record. `false_share` is the share of its claims that is taken to be false; below `min_verdicts`
    verdicts, its claims count as word."""

    team: TeamRef
    claims: int
    verdicts: int
    held_verdicts: int
    false_share: Score
    is_proven: bool
    min_verdicts: int
    explanation: str


class ReporterList(TypedDict):
    items: list[ReporterRecordOut]


class ClaimedCaseOut(TypedDict):
    """One case: the score that was claimed, and the score when it was run again."""

    case_id: str
    claimed: Score
    executed: Score


class VerdictOut(TypedDict):
    """A claim and its re-run, over the cases that were run again. `is_credit` is false where the team asked for it
    itself: such a verdict counts only against it."""

    event: int
    execution: int
    prompt: schemas.PromptRef
    assistant: str
    ritual: str
    claimed: Score
    executed: Score
    cases: list[ClaimedCaseOut]
    did_hold: bool
    is_credit: bool
    recorded_at: datetime


class VerdictList(TypedDict):
    items: list[VerdictOut]


class AuditPolicyOut(TypedDict):
    """What is run again: `share` of the claimed runs; endpoints that cost money are called within `budgets`, in
    micro-units a day by currency. `since` is null for the default."""

    share: float
    budgets: dict[str, int]
    since: datetime | None
    explanation: str


class NewAuditPolicy(RequestBody):
    """What is run again from now on; a share of 0 ends audits."""

    share: Annotated[float, Field(ge=0, le=policy.MAX_SHARE)]
    budgets: Annotated[dict[str, int], Field(max_length=20)] = {}


class ClaimAuditOut(TypedDict):
    """A re-run of a claim, as a job of the worker. `execution` is the event that it became, null until it ended."""

    id: int
    event: int
    choice: str
    state: str
    reason: str
    execution: int | None
    created_at: datetime


@routes.get("/reporters", scope="read", response_schema=ReporterList)
def list_reporters(request: AuthenticatedRequest) -> ReporterList:
    """List the records of all teams that report claims, the worst first."""
    return {"items": [_serialize_record(record) for record in records.list_reporters()]}


@routes.get("/reporters/{int:team_id}", scope="read", response_schema=ReporterRecordOut)
def get_reporter(request: AuthenticatedRequest, team_id: Id) -> ReporterRecordOut:
    """Show the record of a team."""
    team = get_or_404.get_by_id(Team.objects.all(), pk=team_id)
    return _serialize_record(records.get_record(team=team))


@routes.get("/reporters/{int:team_id}/verdicts", scope="read", response_schema=VerdictList)
def list_verdicts(request: AuthenticatedRequest, team_id: Id) -> VerdictList:
    """List the newest 200 verdicts on a team's claims, with cases side by side: to its members, administrators and
    auditors."""
    team = get_or_404.get_by_id(Team.objects.all(), pk=team_id)
    verdicts = records.list_verdicts(caller=request.auth, team=team)
    return {
        "items": [
            {
                "event": verdict.event_id,
                "execution": verdict.execution_id,
                "prompt": schemas.serialize_prompt_ref(verdict.prompt),
                "assistant": verdict.assistant,
                "ritual": verdict.ritual,
                "claimed": verdict.claimed,
                "executed": verdict.executed,
                "cases": [
                    {"case_id": case.case_id, "claimed": case.claimed, "executed": case.executed}
                    for case in verdict.cases
                ],
                "did_hold": verdict.held,
                "is_credit": verdict.is_credit,
                "recorded_at": verdict.recorded_at,
            }
            for verdict in verdicts
        ]
    }


@routes.post(
    "/evidence/{int:event_id}/audit",
    scope="evidence",
    response_schema=ClaimAuditOut,
    is_located=False,
)
def request_audit(request: AuthenticatedRequest, event_id: Id) -> WriteResult[ClaimAuditOut]:
    """Ask for a re-run of a claim, once for each claim: operators of the team that reported it, or of the prompt's
    team."""
    event = get_or_404.get_by_id(Event.objects.select_related("prompt"), pk=event_id)
    audit = requests.ask_for_audit(
        caller=request.auth,
        event=event,
        now=timezone.now(),
        rng=np.random.default_rng(secrets.randbits(128)),
    )
    return WriteResult(body=_serialize_audit(audit), location="")


@routes.get("/audit-policy", scope="read", response_schema=AuditPolicyOut)
def get_audit_policy(request: AuthenticatedRequest) -> AuditPolicyOut:
    """Show what share of claims is run again, and what that may cost."""
    return _serialize_terms(policy.get_terms())


@routes.put("/audit-policy", scope="admin", body=NewAuditPolicy, response_schema=AuditPolicyOut)
def set_audit_policy(request: AuthenticatedRequest, body: NewAuditPolicy) -> AuditPolicyOut:
    """Set what share of claims is run again, and what that may cost. It takes an administrator."""
    return _serialize_terms(
        policy.set_terms(
            caller=request.auth, share=body.share, budgets=body.budgets, now=timezone.now()
        )
    )


def _serialize_record(record: records.ReporterRecord) -> ReporterRecordOut:
    return {
        "team": {"id": record.team.pk, "name": record.team.name},
        "claims": record.claims,
        "verdicts": record.verdicts,
        "held_verdicts": record.held,
        "false_share": record.false_share,
        "is_proven": record.is_proven,
        "min_verdicts": record.min_verdicts,
        "explanation": record.explain(),
    }


def _serialize_terms(terms: policy.AuditTerms) -> AuditPolicyOut:
    return {
        "share": terms.share,
        "budgets": dict(terms.budgets),
        "since": terms.since,
        "explanation": terms.explain(),
    }


def _serialize_audit(audit: ClaimAudit) -> ClaimAuditOut:
    return {
        "id": audit.pk,
        "event": audit.claim_id,
        "choice": audit.choice,
        "state": audit.state,
        "reason": audit.reason,
        "execution": audit.execution_id,
        "created_at": audit.created_at,
    }
