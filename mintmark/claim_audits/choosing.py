"""Choose claims to run again, and queue them as jobs."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
from django.db import transaction
from django.db.models import Exists, OuterRef

from mintmark.accounts import principals
from mintmark.accounts.models import Principal
from mintmark.common import errors
from mintmark.evidence import log
from mintmark.evidence.models import Event, EventCase
from mintmark.projection import policies
from mintmark.projection.lineage_cache import LineageCache
from mintmark.projection.prompt_rows import PromptStateRows
from mintmark.rituals import definitions
from mintmark.rituals.models import MeasurementJob, RunnerSettings
from mintmark.scoring import audit_choice, prompt_readout
from mintmark.scoring.reputation_constants import ReputationPolicy

from . import cells, policy
from .models import AuditCall, ClaimAudit

MAX_CANDIDATES = 10_000
"""The newest claims among which audits are drawn."""

MAX_OPEN = 20
"""Audits that wait or run at one time."""

MAX_FAILED, FAILED_WINDOW = 5, timedelta(minutes=10)
"""After so many audits that broke off within this time no more are drawn: the endpoint is taken to be down."""

_OPEN = (MeasurementJob.State.QUEUED, MeasurementJob.State.RUNNING)


def queue_audits(*, now: datetime, rng: np.random.Generator) -> list[ClaimAudit]:
    """Draw as many claims as the terms pay for and queue an audit of each; returns what was queued.

    Half are spread evenly over teams; the others go where claims decide most (`scoring.audit_choice`).
    """
    terms = policy.get_terms()
    if terms.share == 0:
        return []
    broken = ClaimAudit.objects.filter(
        state=MeasurementJob.State.INCOMPLETE, ended_at__gte=now - FAILED_WINDOW
    )
    if broken.count() >= MAX_FAILED:
        return []
    room = MAX_OPEN - ClaimAudit.objects.filter(state__in=_OPEN).count()
    count = min(room, policy.count_affordable(terms))
    if count < 1:
        return []
    has_cases = Exists(EventCase.objects.filter(event=OuterRef("pk")))
    is_open = Exists(ClaimAudit.objects.filter(claim=OuterRef("pk"), state__in=_OPEN))
    candidates = list(
        cells.select_auditable()
        .filter(has_cases, ~is_open)
        .select_related("assistant", "ritual", "prompt", "assistant__runner__judge")
        .order_by("-id")[:MAX_CANDIDATES]
    )
    chosen = _draw(candidates, count=count, now=now, rng=rng)
    installation = principals.get_installation()
    return [
        audit
        for claim in chosen
        if (audit := _queue(claim, terms, started_by=installation, now=now, rng=rng)) is not None
    ]


def queue_audit(
    *,
    claim: Event,
    terms: policy.AuditTerms,
    asked_by: Principal,
    now: datetime,
    rng: np.random.Generator,
) -> ClaimAudit | None:
    """Queue the audit of one claim that somebody asked for; None where the budget leaves no room for it."""
    return _queue(
        claim, terms, started_by=asked_by, now=now, rng=rng, choice=ClaimAudit.Choice.ASKED
    )


def _queue(
    claim: Event,
    terms: policy.AuditTerms,
    *,
    started_by: Principal,
    now: datetime,
    rng: np.random.Generator,
    choice: ClaimAudit.Choice = ClaimAudit.Choice.DRAWN,
) -> ClaimAudit | None:
    assistant, ritual = claim.assistant, claim.ritual
    assert assistant is not None and ritual is not None, "an outcome names both"
    runner: RunnerSettings = assistant.runner
    cap = policy.compute_cost_cap(runner, terms, now=now)
    if cap is None:
        return None
    try:
        definition = definitions.get_definition(ritual)
    except errors.DomainError:
        return None
    claimed = set(claim.cases.values_list("case_id", flat=True))
    numbers = [
        number
        for number, case in enumerate(definition.cases)
        if case.weight > 0 and case.id in claimed
    ]
    if not numbers:
        return None
    drawn = rng.choice(numbers, size=min(audit_choice.CASES_EACH, len(numbers)), replace=False)
    with transaction.atomic():
        audit = ClaimAudit.objects.create(
            claim=claim,
            prompt=claim.prompt,
            assistant=assistant,
            ritual=ritual,
            choice=choice,
            started_by=started_by,
            seed=int(rng.integers(0, 2**31)),
            runner_kind=runner.kind,
            model=runner.model,
            currency=runner.currency,
            cost_cap_micro=cap or None,
            created_at=now,
        )
        AuditCall.objects.bulk_create(
            AuditCall(audit=audit, number=number, case_id=definition.cases[number].id)
            for number in sorted(drawn.tolist())
        )
    return audit


def _draw(
    candidates: Sequence[Event], *, count: int, now: datetime, rng: np.random.Generator
) -> list[Event]:
    if not candidates:
        return []
    prompts = np.array([claim.prompt_id for claim in candidates], dtype=np.int64)
    teams = np.array([claim.cohort for claim in candidates], dtype=np.int64)
    claimed = np.array([claim.score for claim in candidates])
    distinct, inverse = np.unique(prompts, return_inverse=True)
    rows = PromptStateRows(
        policy=ReputationPolicy.from_json(policies.get_current().reputation),
        lineage_cache=LineageCache(),
        stored=True,
    )
    at = rows.locate(distinct, changes=False)
    columns = prompt_readout.compute_scores(
        rows.policy, rows.build_state(), at, now_days=float(log.to_epoch_days([now])[0])
    )
    moved = columns.trust_score - prompt_readout.compute_executed_alone(columns)
    placed = rows.get_placed(prompts, teams)
    chosen = audit_choice.choose_claims(
        team=teams,
        prompt=prompts,
        pull=placed * np.abs(claimed - columns.trust_score[inverse]),
        moved=moved[inverse],
        audits=count,
        rng=rng,
    )
    return [candidates[position] for position in chosen.tolist()]
