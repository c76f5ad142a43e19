"""What an administrator lets audits of claims cost: a share of the claimed runs, and a budget a day by currency."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Case, F, IntegerField, Sum, Value, When

from mintmark.accounts.callers import Caller
from mintmark.common import errors
from mintmark.common.provenance import Provenance
from mintmark.evidence.models import Event
from mintmark.rituals.models import MeasurementJob, RunnerSettings
from mintmark.scoring import audit_choice

from .models import AuditPolicy, ClaimAudit

MAX_SHARE = audit_choice.DEFAULT_SHARE
BUDGET_WINDOW = timedelta(hours=24)
# One audit may cost at most this part of a day's budget.
COST_SHARE = 20
MAX_BUDGET_MICRO = 10**12


class InvalidAuditPolicy(errors.DomainError):
    """The share or a budget of audits can't be set as asked."""

    code = "invalid_audit_policy"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditTerms:
    """What is in force. `budgets` are micro-units a day, by currency; `since` is when the share was set, None for the
    default."""

    share: float
    budgets: Mapping[str, int]
    since: datetime | None

    def explain(self) -> str:
        """What these terms mean, in one sentence."""
        if self.share == 0:
            return (
                "No claim is run again: what teams report counts as word, a little for each prompt, however good their "
                "record is."
            )
        paid = ", ".join(f"{micro / 1e6:g} {currency}" for currency, micro in self.budgets.items())
        return (
            f"At most {self.share:.1%} of claimed runs are run again; endpoints that cost money are called for at most "
            f"{paid} a day."
            if paid
            else f"At most {self.share:.1%} of claimed runs are run again, on endpoints that cost nothing; for others, "
            "set a budget."
        )


def get_terms() -> AuditTerms:
    """The terms in force; before an administrator sets any, `MAX_SHARE` and no budget."""
    newest = AuditPolicy.objects.order_by("-id").first()
    if newest is None:
        return AuditTerms(share=MAX_SHARE, budgets={}, since=None)
    return AuditTerms(share=newest.share, budgets=newest.budgets, since=newest.set_at)


def set_terms(
    *, caller: Caller, share: float, budgets: Mapping[str, int], now: datetime
) -> AuditTerms:
    """Set the share of claimed runs (0 to 0.02) and the budgets; takes an administrator. Raises
    `InvalidAuditPolicy`."""
    caller.require_scope("admin")
    if not caller.is_admin:
        raise errors.Forbidden("What audits may cost is set by an administrator.")
    if not math.isfinite(share) or not 0.0 <= share <= MAX_SHARE:
        raise InvalidAuditPolicy(
            f"A share of {share:g}: give a number from 0 (no audits) to {MAX_SHARE:g}."
        )
    for currency, micro in budgets.items():
        if not re.fullmatch(r"[A-Z]{1,8}", currency):
            raise InvalidAuditPolicy(
                f"The currency {currency[:20]!r}: 1 to 8 capitals, such as USD."
            )
        if not 0 <= micro <= MAX_BUDGET_MICRO:
            raise InvalidAuditPolicy(
                f"A budget of {micro / 1e6:g} {currency} a day: give 0 to {MAX_BUDGET_MICRO / 1e6:,.0f}."
            )
    terms = get_terms()
    if terms.since is not None and (terms.share, dict(terms.budgets)) == (share, dict(budgets)):
        return terms
    AuditPolicy.objects.create(
        share=share, budgets=dict(budgets), set_by=caller.principal, set_at=now
    )
    return get_terms()


def count_affordable(terms: AuditTerms) -> int:
    """How many more audits the claims since these terms pay for, `share` of their runs; a claim of more runs than
    `audit_choice.MAX_RUNS_COUNTED` counts as that many."""
    claims = Event.objects.filter(provenance=Provenance.CLAIM)
    audits = ClaimAudit.objects.filter(choice=ClaimAudit.Choice.DRAWN).exclude(
        state=MeasurementJob.State.INCOMPLETE, calls=0
    )
    if terms.since is not None:
        claims = claims.filter(recorded_at__gte=terms.since)
        audits = audits.filter(created_at__gte=terms.since)
    most = audit_choice.MAX_RUNS_COUNTED
    counted = Case(
        When(runs__gt=most, then=Value(most)), default=F("runs"), output_field=IntegerField()
    )
    runs = claims.aggregate(runs=Sum(counted))["runs"] or 0
    return int(runs * terms.share / audit_choice.CASES_EACH) - audits.count()


def compute_cost_cap(runner: RunnerSettings, terms: AuditTerms, *, now: datetime) -> int | None:
    """What one audit at this endpoint may cost, in micro-units of its currency: 0 for an endpoint that is free, None
    where the budget leaves no room."""
    judge = runner.judge
    if not any(
        each.price_in_micro or each.price_out_micro for each in (runner, judge) if each is not None
    ):
        return 0
    budget = terms.budgets.get(runner.currency, 0)
    cap = budget // COST_SHARE
    if cap <= 0:
        return None
    recent = ClaimAudit.objects.filter(
        currency=runner.currency, created_at__gte=now - BUDGET_WINDOW
    )
    spent = recent.aggregate(micro=Sum(F("spent_micro") + F("lost_micro")))["micro"] or 0
    is_open = (MeasurementJob.State.QUEUED, MeasurementJob.State.RUNNING)
    reserved = recent.filter(state__in=is_open).aggregate(micro=Sum("cost_cap_micro"))["micro"] or 0
    return cap if spent + reserved + cap <= budget else None
