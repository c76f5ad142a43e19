"""What trade sends to webhooks: sales, refunds, and trust that fell under the floor of an assistant at work."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import F, OuterRef, Subquery

from mintmark.common import amounts
from mintmark.deployments import gates
from mintmark.deployments.models import Injection, TrustAlert
from mintmark.projection.pair_models import AssistantPromptTaskTrust
from mintmark.registry.models import Prompt
from mintmark.webhooks import outbox

from .listing_snapshot import ListingSnapshot
from .models import Purchase


def notify_sale(
    *, sold: Sequence[tuple[ListingSnapshot, int]], transfer: int, now: datetime
) -> None:
    """Tell the sellers' teams what was bought in a transfer, each with what was paid for it, in micro-credits. It joins
    the caller's transaction."""
    prompts = Prompt.objects.in_bulk([snapshot.prompt for snapshot, _ in sold])
    items_by_team: dict[int, list[dict[str, object]]] = defaultdict(list)
    for snapshot, price_micro in sold:
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


def notify_refund(*, purchase: Purchase, score: float | None, runs: int, now: datetime) -> None:
    """Tell buyer and seller that a price was refunded, with the mean score in [0, 1] of the runs that the buyer
    measured. It joins the caller's transaction."""
    prompt = purchase.prompt
    outbox.enqueue(
        kind="refund",
        team_ids={purchase.team_id, prompt.team_id},
        data={
            "purchase": purchase.pk,
            "prompt": prompt.reference,
            "amount": amounts.format_exact(purchase.price_micro),
            "score": score,
            "runs": runs,
        },
        now=now,
    )


def raise_trust_alerts(*, now: datetime) -> int:
    """Notify of each prompt at work whose stored lower bound of trust, on its home task, is newly under its assistant's
    floor; how many.

    Once for each fall: a second notification needs trust to have risen to the floor in between. None is sent for what
    was put to work by an override of the trust gate.
    """
    if not outbox.has_active_webhooks():
        return 0
    home = AssistantPromptTaskTrust.objects.filter(
        assistant=OuterRef("assistant"),
        prompt=OuterRef("prompt"),
        ritual=OuterRef("prompt__standing__ritual"),
    )
    monitored = (
        Injection.objects.filter(ended_at__isnull=True, assistant__mandate__trust_floor__gt=0)
        .annotate(
            low=Subquery(home.values("trust_low")[:1]), floor=F("assistant__mandate__trust_floor")
        )
        .filter(low__isnull=False)
        .select_related("assistant", "prompt")
    )
    recovered = monitored.filter(low__gte=F("floor"), fall__isnull=False)
    TrustAlert.objects.filter(injection__in=list(recovered.values_list("pk", flat=True))).delete()
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
            TrustAlert.objects.create(injection=injection, fell_at=now)
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
    except IntegrityError:  # another worker has notified
        return False
    return True
