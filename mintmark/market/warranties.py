"""Warranties: the buyer's own measured outcomes decide whether the price is paid out or goes back."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Count, Q, QuerySet

from mintmark.accounts.models import Principal
from mintmark.common import evidence_kinds
from mintmark.deployments import injections
from mintmark.evidence.models import Event
from mintmark.registry import entitlements
from mintmark.registry.models import Prompt
from mintmark.tokens import book
from mintmark.tokens.book import Leg, TransferOrder
from mintmark.tokens.models import Transfer

from . import notifications
from .listing_snapshot import ListingSnapshot
from .models import PromptTokenListing, Warranty


@dataclass(frozen=True, slots=True, kw_only=True)
class WarrantyOutcome:
    """What the buyer measured within the window: the mean score in [0, 1] of `runs` runs (None of none)."""

    score: float | None
    runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WarrantyHistory:
    """How the warranties of a prompt turned out so far."""

    open: int
    kept: int
    failed: int


def find_spent(*, team: int, prompt_ids: Collection[int]) -> set[int]:
    """Of these prompts, those for which a team had its one warranty already: open, kept or refunded."""
    rows = Warranty.objects.filter(purchase__team=team, purchase__prompt__in=prompt_ids)
    return set(rows.values_list("purchase__prompt", flat=True))


def find_spent_by(*, team: int, snapshots: Sequence[ListingSnapshot]) -> set[int]:
    """As `find_spent`, of the prompts that these listings promise a warranty for; no query where none does."""
    promised = [snapshot.prompt for snapshot in snapshots if snapshot.warranty_days is not None]
    return find_spent(team=team, prompt_ids=promised) if promised else set()


def decide_due(*, now: datetime, prompt_ids: set[int] | None = None) -> list[Warranty]:
    """Settle what can be settled (of these prompts): refund where the buyer measured too little or the prompt was
    withdrawn for good, pay out where they measured enough or the window has ended. Each in a transaction of its own,
    once."""
    rows = Warranty.objects.filter(state=Warranty.State.OPEN)
    if prompt_ids is not None:
        rows = rows.filter(purchase__prompt__in=prompt_ids)
    closed = []
    related = ("purchase__listing__warranty_ritual", "purchase__prompt__tombstone")
    for warranty in rows.select_related(*related).order_by("id"):
        decision = evaluate_warranty(warranty=warranty, now=now)
        if decision is not None:
            state, outcome = decision
            closed.append(
                _close_warranty(
                    warranty,
                    state=state,
                    outcome=outcome,
                    actor=warranty.purchase.buyer_id,
                    now=now,
                )
            )
    return closed


def decide_measured(*, batch: int, now: datetime) -> list[Warranty]:
    """Settle what a batch of evidence decides: one look where no warranty waits for its outcomes."""
    measured_prompts = Event.objects.filter(
        batch=batch, kind=evidence_kinds.EvidenceKind.OUTCOME
    ).values("prompt")
    waiting = Warranty.objects.filter(
        state=Warranty.State.OPEN, purchase__prompt__in=measured_prompts
    )
    prompt_ids = set(waiting.values_list("purchase__prompt", flat=True))
    return decide_due(now=now, prompt_ids=prompt_ids) if prompt_ids else []


def evaluate_warranty(
    *, warranty: Warranty, now: datetime
) -> tuple[Warranty.State, WarrantyOutcome] | None:
    """What becomes of an open warranty now, or None while it must wait."""
    listing = warranty.purchase.listing
    assert listing.warranty_runs is not None and listing.warranty_floor is not None
    outcome = measure_outcome(warranty=warranty, now=now)
    if hasattr(warranty.purchase.prompt, "tombstone"):
        return Warranty.State.FAILED, outcome
    if outcome.runs >= listing.warranty_runs:
        assert outcome.score is not None
        failed = outcome.score < listing.warranty_floor
        return (Warranty.State.FAILED if failed else Warranty.State.KEPT), outcome
    if now >= warranty.ends_at:
        return Warranty.State.KEPT, outcome
    return None


def measure_outcome(*, warranty: Warranty, now: datetime) -> WarrantyOutcome:
    """The decisive outcomes of the buying team's assistants on the warranty's ritual (any version) since the purchase,
    in the order recorded, up to the one with which there are enough runs. What the buyer only reports decides
    nothing."""
    purchase, listing = warranty.purchase, warranty.purchase.listing
    assert listing.warranty_ritual is not None and listing.warranty_runs is not None
    outcomes = Event.objects.filter_decisive().filter(
        prompt=purchase.prompt_id,
        kind=evidence_kinds.EvidenceKind.OUTCOME,
        assistant__team=purchase.team_id,
        ritual=listing.warranty_ritual,
        recorded_at__gte=purchase.bought_at,
        recorded_at__lte=min(now, warranty.ends_at),
        occurred_at__gte=purchase.bought_at,
    )
    total, runs = 0.0, 0
    for score, run_count in outcomes.order_by("xid", "id").values_list("score", "runs"):
        total, runs = total + score * run_count, runs + run_count
        if runs >= listing.warranty_runs:
            break
    return WarrantyOutcome(score=total / runs if runs else None, runs=runs)


def refund_open(*, prompt: Prompt, actor: Principal, now: datetime) -> int:
    """Give back every price that waits for a warranty of this prompt; how many. Each in a transaction of its own."""
    rows = Warranty.objects.filter(state=Warranty.State.OPEN, purchase__prompt=prompt)
    waiting = list(rows.select_related("purchase__listing__warranty_ritual").order_by("id"))
    for warranty in waiting:
        outcome = measure_outcome(warranty=warranty, now=now)
        _close_warranty(
            warranty, state=Warranty.State.FAILED, outcome=outcome, actor=actor.pk, now=now
        )
    return len(waiting)


def get_history(*, listing: PromptTokenListing) -> WarrantyHistory:
    """How the warranties given for a listing's prompt turned out."""
    rows = Warranty.objects.filter(purchase__prompt=listing.prompt_id)
    counts = rows.aggregate(
        **{state.value: Count("pk", filter=Q(state=state)) for state in Warranty.State}
    )
    return WarrantyHistory(open=counts["open"], kept=counts["kept"], failed=counts["failed"])


def list_disputes(*, prompt: Prompt) -> QuerySet[Warranty]:
    """The warranties of a prompt that failed, newest first: what was promised, and what was measured."""
    rows = Warranty.objects.filter(purchase__prompt=prompt, state=Warranty.State.FAILED)
    return rows.select_related("purchase__team", "purchase__listing").order_by("-settled_at")


def _close_warranty(
    warranty: Warranty,
    *,
    state: Warranty.State,
    outcome: WarrantyOutcome,
    actor: int,
    now: datetime,
) -> Warranty:
    """Post the one transfer that settles a warranty; what another process settled first stays as it is."""
    purchase = warranty.purchase
    failed = state == Warranty.State.FAILED
    payout_legs = (
        [Leg(purchase.buyer_id, purchase.price_micro)]
        if failed
        else [Leg(account, amount) for account, amount in warranty.split]
    )
    with transaction.atomic():
        locked = Warranty.objects.select_for_update().get(pk=warranty.pk)
        if locked.state != Warranty.State.OPEN:
            return locked
        posting = book.post(
            order=TransferOrder(
                idempotency_key=f"settle:{warranty.pk}",
                request_fingerprint=f"settle {warranty.pk} {state.value}",
                cause=Transfer.Cause.REFUND if failed else Transfer.Cause.RELEASE,
                actor=actor,
                legs=[Leg(warranty.escrow, -purchase.price_micro), *payout_legs],
                memo=f"warranty of purchase {purchase.pk}",
            ),
            now=now,
        )
        Warranty.objects.filter(pk=warranty.pk).update(
            state=state,
            settled_at=now,
            score=outcome.score,
            runs=outcome.runs,
            transfer=posting.transfer,
        )
        if failed:
            reason = "refunded: its warranty failed"
            notifications.notify_refund(
                purchase=purchase, score=outcome.score, runs=outcome.runs, now=now
            )
            # One that was revoked before says nothing of what the team bought since.
            if entitlements.end_grant(entitlement=purchase.entitlement, reason=reason, now=now):
                injections.end_injections(
                    prompt=purchase.prompt,
                    ended_by=purchase.buyer,
                    reason=reason,
                    now=now,
                    team_id=purchase.team_id,
                )
    warranty.refresh_from_db()
    return warranty
