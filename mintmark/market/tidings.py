"""What webhooks are told of trade: sales, refunds, and trust that fell under the floor of an assistant at work."""

from collections import defaultdict
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction
from django.db.models import F, OuterRef, Subquery

from mintmark.core import money
from mintmark.registry.models import Prompt
from mintmark.tokens.book import Posted
from mintmark.trust.models import AssistantPromptTrustMap
from mintmark.webhooks import outbox

from . import deals, gates
from .deals import Deal
from .models import Fall, Injection, Purchase

if TYPE_CHECKING:
    from .warranties import Measured


def posted(deal: Deal, *, now: datetime) -> Posted:
    """Make a purchase, and tell the sellers' webhooks of it in the same transaction, where there are any."""
    if not outbox.anybody():
        return deals.post(deal, now=now)
    with transaction.atomic():
        made = deals.post(deal, now=now)
        if made.is_new:
            _tell_sellers(deal, transfer=made.transfer, now=now)
    return made


def refunded(*, purchase: Purchase, told: "Measured", now: datetime) -> None:
    """Tell buyer and seller that a price went back. It joins the caller's transaction."""
    prompt = purchase.prompt
    outbox.tell(
        kind="refund",
        team_ids={purchase.team_id, prompt.team_id},
        data={
            "purchase": purchase.pk,
            "prompt": prompt.reference,
            "amount": money.exact(purchase.price_micro),
            "score": told.score,
            "runs": told.runs,
        },
        now=now,
    )


def watch(*, now: datetime) -> int:
    """Tell of each prompt at work whose stored lower bound of trust is newly under its assistant's floor; how many.

    Once a fall: it is told again after trust had risen to the floor. What was put to work against that gate is not.
    """
    if not outbox.anybody():
        return 0
    pair = AssistantPromptTrustMap.objects.filter(
        assistant=OuterRef("assistant"), prompt=OuterRef("prompt")
    )
    at_work = (
        Injection.objects.filter(ended_at__isnull=True, assistant__mandate__trust_floor__gt=0)
        .annotate(
            low=Subquery(pair.values("trust_low")[:1]), floor=F("assistant__mandate__trust_floor")
        )
        .filter(low__isnull=False)
        .select_related("assistant", "prompt")
    )
    risen = at_work.filter(low__gte=F("floor"), fall__isnull=False)
    Fall.objects.filter(injection__in=list(risen.values_list("pk", flat=True))).delete()
    fallen = at_work.filter(low__lt=F("floor"), fall__isnull=True)
    return sum(
        _fell(one, low=one.low, floor=one.floor, now=now)
        for one in fallen
        if gates.TRUST not in one.overridden
    )


def _fell(injection: Injection, *, low: float, floor: float, now: datetime) -> bool:
    assistant = injection.assistant
    try:
        with transaction.atomic():
            Fall.objects.create(injection=injection, fell_at=now)
            outbox.tell(
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


def _tell_sellers(deal: Deal, *, transfer: int, now: datetime) -> None:
    prompts = Prompt.objects.in_bulk([one.prompt for one in deal.terms])
    sold: dict[int, list[dict[str, object]]] = defaultdict(list)
    for one, paid in zip(deal.terms, deal.paid, strict=True):
        prompt = prompts[one.prompt]
        sold[prompt.team_id].append(
            {"listing": one.listing, "prompt": prompt.reference, "price": money.exact(paid)}
        )
    for team, lines in sold.items():
        outbox.tell(
            kind="sale", team_ids=[team], data={"transfer": transfer, "lines": lines}, now=now
        )
