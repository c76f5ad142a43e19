"""Warranties: the buyer's own measured outcomes decide whether the price is paid out or goes back."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Count, Q, QuerySet

from mintmark.accounts.models import Principal
from mintmark.core import kinds
from mintmark.evidence.models import Event
from mintmark.registry import entitlements
from mintmark.registry.models import Prompt
from mintmark.tokens import book
from mintmark.tokens.book import Leg, Order
from mintmark.tokens.models import Transfer

from . import injections, tidings
from .models import PromptTokenListing, Warranty


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What the buyer measured within the window: the mean score in [0, 1] of `runs` runs (None of none)."""

    score: float | None
    runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """How the warranties of a prompt turned out so far."""

    open: int
    kept: int
    failed: int


def settle(*, now: datetime, prompt_ids: set[int] | None = None) -> list[Warranty]:
    """Settle what can be settled (of these prompts): refund where the buyer measured too little or the prompt was
    entombed, pay out where he measured enough or the window has ended. Each in a transaction of its own, once."""
    rows = Warranty.objects.filter(state=Warranty.State.OPEN)
    if prompt_ids is not None:
        rows = rows.filter(purchase__prompt__in=prompt_ids)
    settled = []
    related = ("purchase__listing__warranty_ritual", "purchase__prompt__tombstone")
    for warranty in rows.select_related(*related).order_by("id"):
        outcome = decide(warranty=warranty, now=now)
        if outcome is not None:
            state, told = outcome
            settled.append(
                _settled(
                    warranty, state=state, told=told, actor=warranty.purchase.buyer_id, now=now
                )
            )
    return settled


def settle_measured(*, batch: int, now: datetime) -> list[Warranty]:
    """Settle what a batch of evidence decides: one look where no warranty waits for its outcomes."""
    measured = Event.objects.filter(batch=batch, kind=kinds.Kind.OUTCOME).values("prompt")
    waiting = Warranty.objects.filter(state=Warranty.State.OPEN, purchase__prompt__in=measured)
    prompt_ids = set(waiting.values_list("purchase__prompt", flat=True))
    return settle(now=now, prompt_ids=prompt_ids) if prompt_ids else []


def decide(*, warranty: Warranty, now: datetime) -> tuple[Warranty.State, Measured] | None:
    """What becomes of an open warranty now, or None while it must wait."""
    listing = warranty.purchase.listing
    assert listing.warranty_runs is not None and listing.warranty_floor is not None
    told = measured(warranty=warranty, now=now)
    if hasattr(warranty.purchase.prompt, "tombstone"):
        return Warranty.State.FAILED, told
    if told.runs >= listing.warranty_runs:
        assert told.score is not None
        failed = told.score < listing.warranty_floor
        return (Warranty.State.FAILED if failed else Warranty.State.KEPT), told
    if now >= warranty.ends_at:
        return Warranty.State.KEPT, told
    return None


def measured(*, warranty: Warranty, now: datetime) -> Measured:
    """The outcomes of the buying team's assistants on the warranty's ritual (any version) since the purchase, in the
    order recorded, up to the one with which there are enough runs."""
    purchase, listing = warranty.purchase, warranty.purchase.listing
    assert listing.warranty_ritual is not None and listing.warranty_runs is not None
    outcomes = Event.objects.filter(
        prompt=purchase.prompt_id,
        kind=kinds.Kind.OUTCOME,
        assistant__team=purchase.team_id,
        ritual__name=listing.warranty_ritual.name,
        recorded_at__gte=purchase.bought_at,
        recorded_at__lte=min(now, warranty.ends_at),
        occurred_at__gte=purchase.bought_at,
    )
    total, runs = 0.0, 0
    for score, n in outcomes.order_by("xid", "id").values_list("score", "runs"):
        total, runs = total + score * n, runs + n
        if runs >= listing.warranty_runs:
            break
    return Measured(score=total / runs if runs else None, runs=runs)


def refund_open(*, prompt: Prompt, actor: Principal, now: datetime) -> int:
    """Give back every price that waits for a warranty of this prompt; how many. Each in a transaction of its own."""
    rows = Warranty.objects.filter(state=Warranty.State.OPEN, purchase__prompt=prompt)
    waiting = list(rows.select_related("purchase__listing__warranty_ritual").order_by("id"))
    for warranty in waiting:
        told = measured(warranty=warranty, now=now)
        _settled(warranty, state=Warranty.State.FAILED, told=told, actor=actor.pk, now=now)
    return len(waiting)


def record(*, listing: PromptTokenListing) -> Record:
    """How the warranties given for a listing's prompt turned out."""
    rows = Warranty.objects.filter(purchase__prompt=listing.prompt_id)
    counted = rows.aggregate(
        **{state.value: Count("pk", filter=Q(state=state)) for state in Warranty.State}
    )
    return Record(open=counted["open"], kept=counted["kept"], failed=counted["failed"])


def disputes(*, prompt: Prompt) -> QuerySet[Warranty]:
    """The warranties of a prompt that failed, newest first: what was promised, and what was measured."""
    rows = Warranty.objects.filter(purchase__prompt=prompt, state=Warranty.State.FAILED)
    return rows.select_related("purchase__team", "purchase__listing").order_by("-settled_at")


def _settled(
    warranty: Warranty, *, state: Warranty.State, told: Measured, actor: int, now: datetime
) -> Warranty:
    """Post the one transfer that settles a warranty; what another process settled first stays as it is."""
    purchase = warranty.purchase
    failed = state == Warranty.State.FAILED
    parts = (
        [Leg(purchase.buyer_id, purchase.price_micro)]
        if failed
        else [Leg(account, amount) for account, amount in warranty.split]
    )
    with transaction.atomic():
        held = Warranty.objects.select_for_update().get(pk=warranty.pk)
        if held.state != Warranty.State.OPEN:
            return held
        posted = book.post(
            order=Order(
                key=f"settle:{warranty.pk}",
                asked=f"settle {warranty.pk} {state.value}",
                cause=Transfer.Cause.REFUND if failed else Transfer.Cause.RELEASE,
                actor=actor,
                legs=[Leg(warranty.escrow, -purchase.price_micro), *parts],
                memo=f"warranty of purchase {purchase.pk}",
            ),
            now=now,
        )
        Warranty.objects.filter(pk=warranty.pk).update(
            state=state,
            settled_at=now,
            score=told.score,
            runs=told.runs,
            transfer=posted.transfer,
        )
        if failed:
            reason = "refunded: its warranty failed"
            tidings.refunded(purchase=purchase, told=told, now=now)
            # One that was revoked before says nothing of what the team bought since.
            if entitlements.end(entitlement=purchase.entitlement, reason=reason, now=now):
                injections.end_all(
                    prompt=purchase.prompt,
                    by=purchase.buyer,
                    reason=reason,
                    now=now,
                    team_id=purchase.team_id,
                )
    warranty.refresh_from_db()
    return warranty
