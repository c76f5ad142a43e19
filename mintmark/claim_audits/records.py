"""The record of a reporting team: what of its claims was run again, and what share of them is held to be false."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Exists, OuterRef, QuerySet

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role, Team
from mintmark.common import errors
from mintmark.common.evidence_kinds import EvidenceKind
from mintmark.common.provenance import Provenance
from mintmark.evidence import claim_records
from mintmark.evidence.models import ClaimVerdict, Event, EventCase
from mintmark.projection import policies
from mintmark.registry.models import Prompt
from mintmark.scoring.reputation_constants import ReputationPolicy

from . import cells
from .models import ClaimAudit

MAX_VERDICTS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ReporterRecord:
    """A team's record. `false_share` is λ, which its claims are weighed by; `is_proven` says that it has enough
    verdicts for them to count as claims and not as word."""

    team: Team
    claims: int
    verdicts: int
    held: int
    false_share: float
    is_proven: bool
    min_verdicts: int

    def explain(self) -> str:
        """The record in one or two sentences."""
        if not self.verdicts:
            return f"None of {self.team}'s claims was run again yet: they count as word until {self.min_verdicts} were."
        summary = f"{self.team}'s claims were run again {self.verdicts} times, and held {self.held} times."
        if not self.is_proven:
            return f"{summary} They count as word until {self.min_verdicts} were run again."
        share = "Under 1%" if self.false_share < 0.01 else f"{self.false_share:.0%}"
        return f"{summary} {share} of them are taken to be false."


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedCase:
    """One case: what was claimed, and what came of it here."""

    case_id: str
    claimed: float
    executed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictDetail:
    """One verdict, with its cases side by side."""

    event_id: int
    execution_id: int
    prompt: Prompt
    assistant: str
    ritual: str
    claimed: float
    executed: float
    cases: tuple[ClaimedCase, ...]
    held: bool
    is_credit: bool
    recorded_at: datetime


def get_record(*, team: Team) -> ReporterRecord:
    """The record of a team. Everybody who is signed in may read it: scores rest on it."""
    return get_records(teams=[team])[team.pk]


def get_records(*, teams: Sequence[Team]) -> dict[int, ReporterRecord]:
    """The records of these teams, by id; three queries, however many there are."""
    policy = ReputationPolicy.from_json(policies.get_current().reputation)
    ids = [team.pk for team in teams]
    claims = dict(
        Event.objects.filter(provenance=Provenance.CLAIM, cohort__in=ids)
        .values_list("cohort")
        .annotate(n=Count("id"))
        .order_by()
    )
    counts = claim_records.count_verdicts(team_ids=ids)
    shares = dict(
        Event.objects.filter(kind=EvidenceKind.REWEIGH_TEAM, cohort__in=ids)
        .order_by("id")
        .values_list("cohort", "score")
    )
    return {
        team.pk: ReporterRecord(
            team=team,
            claims=claims.get(team.pk, 0),
            verdicts=counts[team.pk].verdicts,
            held=counts[team.pk].held,
            false_share=shares.get(team.pk, policy.false_share),
            is_proven=counts[team.pk].counted >= policy.min_verdicts,
            min_verdicts=int(policy.min_verdicts),
        )
        for team in teams
    }


def list_reporters() -> list[ReporterRecord]:
    """The records of all teams that have claims or verdicts, the worst first."""
    claiming = Event.objects.filter(provenance__in=(Provenance.CLAIM, Provenance.VOUCHED))
    teams = list(Team.objects.filter(pk__in=claiming.values("cohort")).order_by("name"))
    records = [each for each in get_records(teams=teams).values() if each.claims or each.verdicts]
    return sorted(records, key=lambda record: (-record.false_share, record.team.name))


def list_verdicts(*, caller: Caller, team: Team, limit: int = MAX_VERDICTS) -> list[VerdictDetail]:
    """The newest verdicts on a team's claims, with cases side by side: for its members, administrators and auditors."""
    if not may_read_cases(caller=caller, team=team):
        raise errors.Forbidden(
            f"The cases of {team}'s claims are shown to its members, administrators and auditors."
        )
    return _build_details(ClaimVerdict.objects.filter(event__cohort=team.pk), limit)


def list_claims(*, team: Team, limit: int) -> list[Event]:
    """The newest claims of a team that can be run again here, and for which nobody has asked for it."""
    has_cases = Exists(EventCase.objects.filter(event=OuterRef("pk")))
    is_asked = Exists(
        ClaimAudit.objects.filter(claim=OuterRef("pk"), choice=ClaimAudit.Choice.ASKED)
    )
    claims = cells.select_auditable().filter(has_cases, ~is_asked, cohort=team.pk)
    return list(claims.select_related("prompt", "assistant", "ritual").order_by("-id")[:limit])


def may_read_cases(*, caller: Caller, team: Team) -> bool:
    """Whether somebody may read what each case of this team's claims gave."""
    return team.pk in caller.team_ids or caller.has_role_anywhere(Role.AUDITOR)


def _build_details(verdicts: QuerySet[ClaimVerdict], limit: int) -> list[VerdictDetail]:
    rows = list(
        verdicts.select_related("event__prompt", "event__assistant", "event__ritual").order_by(
            "-id"
        )[:limit]
    )
    events = {row.event_id for row in rows} | {row.execution_id for row in rows}
    scores: dict[int, dict[str, float]] = {}
    for event_id, case_id, score in EventCase.objects.filter(event__in=events).values_list(
        "event", "case_id", "score"
    ):
        scores.setdefault(event_id, {})[case_id] = score

    def build(row: ClaimVerdict) -> VerdictDetail:
        claimed, executed = scores.get(row.event_id, {}), scores.get(row.execution_id, {})
        return VerdictDetail(
            event_id=row.event_id,
            execution_id=row.execution_id,
            prompt=row.event.prompt,
            assistant=row.event.assistant.name if row.event.assistant else "",
            ritual=str(row.event.ritual or ""),
            claimed=row.claimed,
            executed=row.executed,
            cases=tuple(
                ClaimedCase(case_id=case, claimed=claimed[case], executed=executed[case])
                for case in sorted(executed)
                if case in claimed
            ),
            held=row.held,
            is_credit=row.is_credit,
            recorded_at=row.recorded_at,
        )

    return [build(row) for row in rows]
