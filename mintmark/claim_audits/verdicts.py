"""Conclude an audit: record what was executed, judge every claim about that cell, and weigh again what changed."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from django.db import transaction

from mintmark.accounts import principals
from mintmark.accounts.models import Principal
from mintmark.common.evidence_kinds import EvidenceKind
from mintmark.common.provenance import Provenance
from mintmark.evidence.log import CaseVerdict, LogEntry
from mintmark.evidence.models import ClaimVerdict, Event, EventCase
from mintmark.projection import policies
from mintmark.projection.lineage_cache import LineageCache
from mintmark.projection.prompt_rows import PromptStateRows
from mintmark.rituals import runner_settings
from mintmark.rituals.models import CaseRun, RunnerSettings
from mintmark.scoring import claim_weights, reporter_record
from mintmark.scoring.reputation_constants import ReputationPolicy
from mintmark.storage import locks
from mintmark.trust import intake

from . import cells, reweighing
from .models import AuditCall, ClaimAudit

SOURCE = "audit"
MAX_REPEATS = 5_000
"""The newest repeated cases of a task from which φ is learned."""


def conclude(*, audit: ClaimAudit, now: datetime) -> None:
    """Record the execution, the verdicts, and what they change, all of it or nothing; a second call changes nothing."""
    calls = list(audit.audit_calls.filter(state=AuditCall.State.DONE).order_by("number"))
    if not calls or audit.execution_id is not None:
        return
    installation = principals.get_installation()
    policy = ReputationPolicy.from_json(policies.get_current().reputation)
    variance, noise_share = _learn_noise(audit, policy)
    with transaction.atomic():
        # Two audits that end at once learn one after the other.
        locks.hold(Principal, [installation.pk])
        execution = _record_execution(audit, calls, installation, now=now)
        _judge(
            audit,
            calls,
            execution,
            variance=variance,
            noise_share=noise_share,
            policy=policy,
            now=now,
        )
        ClaimAudit.objects.filter(pk=audit.pk).update(execution=execution)
        entries = reweighing.build_entries(audit=audit, policy=policy, now=now)
        if entries:
            intake.append_entries(actor=installation, source=SOURCE, entries=entries, now=now)
    audit.execution = execution


def compare_with_earlier(audit: ClaimAudit, *, case_id: str, score: float) -> float | None:
    """How far a score is from the newest earlier execution of the same case on the same model, squared; None where
    there is none."""
    runner = runner_settings.get_runner_settings(assistant=audit.assistant)
    assistants = cells.list_same_model(runner)
    audited = (
        AuditCall.objects.filter(
            state=AuditCall.State.DONE,
            case_id=case_id,
            audit__prompt=audit.prompt_id,
            audit__ritual=audit.ritual_id,
            audit__assistant__in=assistants,
        )
        .exclude(audit=audit)
        .order_by("-id")
        .values_list("score", flat=True)
        .first()
    )
    earlier = audited if audited is not None else _find_run(audit, case_id, runner, assistants)
    return None if earlier is None else (earlier - score) ** 2


def _find_run(
    audit: ClaimAudit, case_id: str, runner: RunnerSettings, assistants: list[int]
) -> float | None:
    ran = CaseRun.objects.filter(
        state=CaseRun.State.DONE,
        case_id=case_id,
        frame=0,
        run__prompt=audit.prompt_id,
        run__ritual=audit.ritual_id,
        run__assistant__in=assistants,
        run__runner_kind=runner.kind,
        run__created_at__gte=runner.configured_at,
    )
    return ran.order_by("-id").values_list("score", flat=True).first()


def _learn_noise(audit: ClaimAudit, policy: ReputationPolicy) -> tuple[float, float]:
    """V and φ of the audit's task: V from what an average prompt scores there, φ from cases that were run twice."""
    rows = PromptStateRows(policy=policy, lineage_cache=LineageCache(), stored=True)
    variance = float(claim_weights.run_variance(rows.get_home_mean(audit.ritual_id)))
    repeats = AuditCall.objects.filter(
        audit__ritual__name=audit.ritual.name, squared_difference__isnull=False
    ).order_by("-id")
    squares = np.array(
        repeats.values_list("squared_difference", flat=True)[:MAX_REPEATS], dtype=float
    )
    noise_share = reporter_record.learn_noise_share(squares, np.full(len(squares), variance))
    return variance, noise_share


def _record_execution(
    audit: ClaimAudit, calls: Sequence[AuditCall], installation: Principal, *, now: datetime
) -> Event:
    key = f"audit:{audit.pk}"
    entry = LogEntry(
        kind=int(EvidenceKind.OUTCOME),
        prompt_id=audit.prompt_id,
        assistant_id=audit.assistant_id,
        ritual_id=audit.ritual_id,
        cohort=audit.assistant.team_id,
        admissible=True,
        score=float(np.mean([call.score for call in calls])),
        runs=len(calls),
        tags=(key,),
        note=f"event {audit.claim_id}, run again in {len(calls)} of its cases",
        occurred_at=max(call.finished_at for call in calls if call.finished_at is not None),
        key=key,
        provenance=Provenance.EXECUTED,
        cases=tuple(
            CaseVerdict(call.case_id, float(call.score or 0.0), 1, call.output_digest)
            for call in calls
        ),
    )
    intake.append_entries(actor=installation, source=SOURCE, entries=[entry], now=now)
    return Event.objects.get(actor=installation, key=key)


def _judge(
    audit: ClaimAudit,
    calls: Sequence[AuditCall],
    execution: Event,
    *,
    variance: float,
    noise_share: float,
    policy: ReputationPolicy,
    now: datetime,
) -> None:
    """Compare every claim about this cell with what was executed, over the cases that both have."""
    scores = {call.case_id: float(call.score or 0.0) for call in calls}
    judged = cells.select_judged(
        prompt_id=audit.prompt_id,
        ritual_id=audit.ritual_id,
        assistant_ids=_list_assistants(audit),
        before=audit.created_at,
    )
    teams = dict(judged.values_list("id", "cohort"))
    teams.setdefault(audit.claim_id, audit.claim.cohort)
    claimed: dict[int, dict[str, float]] = {}
    cases = EventCase.objects.filter(event__in=list(teams), case_id__in=list(scores))
    for event_id, case_id, score in cases.values_list("event", "case_id", "score"):
        claimed.setdefault(event_id, {})[case_id] = score
    rows = []
    for event_id, by_case in sorted(claimed.items()):
        claimed_mean = float(np.mean(list(by_case.values())))
        executed_mean = float(np.mean([scores[case_id] for case_id in by_case]))
        verdict = reporter_record.Verdict(
            difference=claimed_mean - executed_mean,
            cases=len(by_case),
            variance=variance,
            noise_share=noise_share,
        )
        density = reporter_record.compute_honest_density(verdict, harness_sd=policy.harness_sd)
        rows.append(
            ClaimVerdict(
                event_id=event_id,
                execution=execution,
                cases=len(by_case),
                claimed=claimed_mean,
                executed=executed_mean,
                variance=variance,
                noise_share=noise_share,
                held=density >= reporter_record.FALSE_DENSITY,
                is_credit=not _is_asked_by(audit, teams[event_id]),
                recorded_at=now,
            )
        )
    ClaimVerdict.objects.bulk_create(rows)


def _list_assistants(audit: ClaimAudit) -> list[int]:
    """The assistants whose claims this execution can judge; where cases cite memories, the audited one alone."""
    runner = runner_settings.get_runner_settings(assistant=audit.assistant)
    cases = audit.ritual.definition.get("cases") or []
    if any(case.get("memory") for case in cases):
        return [audit.assistant_id]
    return cells.list_same_model(runner)


def _is_asked_by(audit: ClaimAudit, team_id: int) -> bool:
    """Whether somebody of this team asked for the audit: that earns no credit."""
    if audit.choice != ClaimAudit.Choice.ASKED:
        return False
    user = audit.started_by.user
    return user is not None and (
        audit.started_by.team_id == team_id or user.memberships.filter(team=team_id).exists()
    )
