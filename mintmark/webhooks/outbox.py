"""The outbox: what happened is written down for whom it concerns, in the transaction in which it happened."""

import secrets
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from mintmark.storage import locks

from .models import Delivery, Webhook

EVENT_KINDS = {
    "trust.fell": "the lower bound of an assistant's trust in a prompt that is at work in it fell under its floor",
    "prompt.revoked": "a team may not use a prompt any more, or it was withdrawn for good",
    "sale": "a prompt of the team was sold",
    "refund": "a warranty failed: the price went back, to the team or from it",
    "label.moved": "a label of a line of the team was moved or taken away",
}
"""What is told."""


def has_active_webhooks() -> bool:
    """Whether anybody is told of anything: most installations need not look further."""
    return Webhook.objects.filter(disabled_at__isnull=True).exists()


def list_subscribers(*, kind: str, team_ids: Collection[int]) -> list[Webhook]:
    """The webhooks of these teams that are told of this kind."""
    active_webhooks = Webhook.objects.filter(team__in=team_ids, disabled_at__isnull=True)
    return [webhook for webhook in active_webhooks if not webhook.kinds or kind in webhook.kinds]


def enqueue(*, kind: str, team_ids: Collection[int], data: Mapping[str, Any], now: datetime) -> int:
    """Write down what happened for each webhook that listens; how many do. It joins the caller's transaction, and a
    text of a prompt never belongs in `data`."""
    if kind not in EVENT_KINDS:
        raise ValueError(f"{kind!r} is none of {', '.join(EVENT_KINDS)}")
    found = list_subscribers(kind=kind, team_ids=team_ids)
    if not found:
        return 0
    body = {"type": kind, "timestamp": now.isoformat(), "data": dict(data)}
    with transaction.atomic():
        # Whoever removes one forgets all that it was told: nothing comes after.
        locks.share(Webhook, [webhook.pk for webhook in found])
        webhooks = list_subscribers(kind=kind, team_ids=team_ids)
        Delivery.objects.bulk_create(
            [
                Delivery(
                    webhook=webhook,
                    message=f"msg_{secrets.token_hex(16)}",
                    kind=kind,
                    body=body,
                    told_at=now,
                    due_at=now,
                )
                for webhook in webhooks
            ]
        )
    return len(webhooks)
