"""The outbox: an event is written down for each webhook that subscribes to it, in the transaction of the event."""

import secrets
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from mintmark.storage import locks

from .models import Delivery, Webhook

EVENT_KINDS = {
    "trust.fell": "the lower bound of an assistant's trust in a prompt that is injected into it fell below its floor",
    "prompt.revoked": "a team may no longer use a prompt, or the prompt was withdrawn for good",
    "sale": "a prompt of the team was sold",
    "refund": "a warranty failed: the price was refunded, to the team or by it",
    "label.moved": "a label of a lineage of the team was moved or removed",
}
"""The kinds of events, with a description of each."""


def has_active_webhooks() -> bool:
    """Whether there is any active webhook: most installations have none, and need no further query."""
    return Webhook.objects.filter(disabled_at__isnull=True).exists()


def list_subscribers(*, kind: str, team_ids: Collection[int]) -> list[Webhook]:
    """The webhooks of these teams that subscribe to this kind of event."""
    active_webhooks = Webhook.objects.filter(team__in=team_ids, disabled_at__isnull=True)
    return [webhook for webhook in active_webhooks if not webhook.kinds or kind in webhook.kinds]


def enqueue(*, kind: str, team_ids: Collection[int], data: Mapping[str, Any], now: datetime) -> int:
    """Write an event down for each webhook that subscribes to it. Returns how many do. Joins the caller's transaction.
    `data` must never hold a prompt's text."""
    if kind not in EVENT_KINDS:
        raise ValueError(f"{kind!r} is none of {', '.join(EVENT_KINDS)}")
    found = list_subscribers(kind=kind, team_ids=team_ids)
    if not found:
        return 0
    body = {"type": kind, "timestamp": now.isoformat(), "data": dict(data)}
    with transaction.atomic():
        # Removing a webhook deletes its deliveries: none may be added after that.
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
