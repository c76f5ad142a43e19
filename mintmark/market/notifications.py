"""What webhooks are told of trade: sales, refunds, and trust that fell under the floor of an assistant at work."""

from collections import defaultdict
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction
from django.db.models import F, OuterRef, Subquery

from mintmark.common import amounts
from mintmark.deployments import gates
from mintmark.deployments.models import Fall, Injection
from mintmark.projection.pair_models import AssistantPromptTrustMap
from mintmark.registry.models import Prompt
from mintmark.tokens.book import Posting
from mintmark.webhooks import outbox

from . import deals
from .deals import PurchaseOrder
from .models import Purchase

if TYPE_CHECKING:
    from .warranties import WarrantyOutcome


def post_with_notifications(order: PurchaseOrder, *, now: datetime) -> Posting:
    """Make a purchase, and tell the sellers' webhooks of it in the same transaction, where there are any."""
    if not outbox.has_active_webhooks():
        return deals.post_order(order, now=now)
    with transaction.atomic():
        posting = deals.post_order(order, now=now)
        if posting.is_new:
            _notify_sellers(order, transfer=posting.transfer, now=now)
    return posting


def notify_refund(*, purchase: Purchase, outcome: "WarrantyOutcome", now: datetime) -> None:
    """Tell buyer and seller that a price went back. It joins the caller's transaction."""
    prompt = purchase.prompt
    outbox.enqueue(
        kind="refund",
        team_ids={purchase.team_id, prompt.team_id},
        data={
            "purchase": purchase.pk,
            "prompt": prompt.reference,
            "amount": amounts.format_exact(purchase.price_micro),
            "score": outcome.score,
            "runs": outcome.runs,
        },
        now=now,
    )


def raise_trust_alerts(*, now: datetime) -> int:
    """Tell of each prompt at work whose stored lower bound of trust is newly under its assistant's floor; how many.

    Once a fall: it is told again after trust had risen to the floor. What was put to work against that gate is not.
    """
    if not outbox.has_active_webhooks():
        return 0
    pair = AssistantPromptTrustMap.objects.filter(
        assistant=OuterRef("assistant"), prompt=OuterRef("prompt")
    )
    monitored = (
        Injection.objects.filter(ended_at__isnull=True, assistant__mandate__trust_floor__gt=0)
        .annotate(
            low=Subquery(pair.values("trust_low")[:1]), floor=F("assistant__mandate__trust_floor")
        )
        .filter(low__isnull=False)
        .select_related("assistant", "prompt")
    )
    recovered = monitored.filter(low__gte=F("floor"), fall__isnull=False)
    Fall.objects.filter(injection__in=list(recovered.values_list("pk", flat=True))).delete()
    fallen = monitored.filter(low__lt=F("floor"), fall__isnull=True)
    return sum(
        _raise_trust_alert(injection, low=injection.low, floor=injection.floor, now=now)
        for injection in fallen
        if gates.TRUST not in injection.overridden
    )


def _raise_trust_alert(injection: Injection, *, low: float, floor: float, now: datetime) -> bool:
    assistant = injection.assistant
    try:
        with transaction.atomic():
            Fall.objects.create(injection=injection, fell_at=now)
            outbox.enqueue(
                kind="trust.fell",
                team_ids=[assistant.team_id],
                data={
                    "assistant": assistant.name,
                    "prompt": injection.prompt.reference,
                    "injection": injection.pk,
                    "slot": injection.slot,
                    "low": low,
                    "floor": floor,
                },
                now=now,
            )
    except IntegrityError:  # another worker told it
        return False
    return True


def _notify_sellers(order: PurchaseOrder, *, transfer: int, now: datetime) -> None:
    prompts = Prompt.objects.in_bulk([snapshot.prompt for snapshot in order.snapshots])
    items_by_team: dict[int, list[dict[str, object]]] = defaultdict(list)
    for snapshot, price_micro in zip(order.snapshots, order.charged_micro, strict=True):
        prompt = prompts[snapshot.prompt]
        items_by_team[prompt.team_id].append(
            {
                "listing": snapshot.listing,
                "prompt": prompt.reference,
                "price": amounts.format_exact(price_micro),
            }
        )
    for team, items in items_by_team.items():
        outbox.enqueue(
            kind="sale", team_ids=[team], data={"transfer": transfer, "lines": items}, now=now
        )
