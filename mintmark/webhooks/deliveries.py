"""Webhook deliveries: take one that is due, send it signed, store the result. Leases make this safe if a worker dies.

Each message is delivered at least once; a receiver recognises repetitions by `webhook-id`.
"""

import asyncio
import json
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import httpx
from django.db.models import Q, QuerySet

from mintmark.common import outbound_urls

from . import signing
from .models import Delivery, Webhook

CALL_TIMEOUT_SECONDS = 15.0
LEASE_DURATION = timedelta(seconds=60)
RETRY_DELAYS = tuple(
    timedelta(seconds=s) for s in (5, 60, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
"""Seconds before each further attempt, ± a fifth; after the last, the delivery fails."""
_JITTER = 0.2
_ACQUIRE_CANDIDATES = 20
HTTP_GONE = 410
type Clock = Callable[[], datetime]


def deliver_next(*, worker_id: str, clock: Clock, rng: random.Random) -> bool:
    """Send one delivery that is due. Returns whether there was one."""
    delivery = acquire(worker_id=worker_id, now=clock())
    if delivery is None:
        return False
    status, problem = send(delivery, now=clock())
    record_attempt(
        delivery, worker_id=worker_id, status=status, problem=problem, now=clock(), rng=rng
    )
    return True


def acquire(*, worker_id: str, now: datetime) -> Delivery | None:
    """The oldest delivery that is due and not leased, now leased by `worker_id`; None if there is none."""
    due = _list_due(now)
    for pk in list(due.order_by("due_at", "id").values_list("id", flat=True)[:_ACQUIRE_CANDIDATES]):
        if (
            _list_due(now)
            .filter(pk=pk)
            .update(lease_holder=worker_id, lease_until=now + LEASE_DURATION)
        ):
            return Delivery.objects.select_related("webhook").get(pk=pk)
    return None


def send(delivery: Delivery, *, now: datetime) -> tuple[int | None, str]:
    """Make one attempt. Returns the status of the response (None without one), and the problem ("" if it was
    accepted)."""
    webhook = delivery.webhook
    body = json.dumps(delivery.body, ensure_ascii=False, separators=(",", ":")).encode()
    timestamp = int(now.timestamp())
    try:
        encrypted_secrets = [bytes(webhook.sealed)]
        if webhook.sealed_before and webhook.before_until and now < webhook.before_until:
            encrypted_secrets.append(bytes(webhook.sealed_before))
        signature_header = " ".join(
            signing.sign(
                secret=signing.decrypt(encrypted),
                message=delivery.message,
                timestamp=timestamp,
                body=body,
            )
            for encrypted in encrypted_secrets
        )
    except signing.UnreadableSecret:
        return None, "unreadable_secret"
    headers = {
        "content-type": "application/json",
        "user-agent": "mintmark",
        "webhook-id": delivery.message,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature_header,
    }
    try:
        status = asyncio.run(_post(webhook.url, headers=headers, body=body))
    except _BlockedUrl:
        return None, "private_address"
    except TimeoutError:
        return None, "too_slow"
    except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
        return None, f"unreachable: {type(error).__name__}"
    if 200 <= status < 300:
        return status, ""
    return status, "redirected" if 300 <= status < 400 else "refused"


def record_attempt(
    delivery: Delivery,
    *,
    worker_id: str,
    status: int | None,
    problem: str,
    now: datetime,
    rng: random.Random,
) -> None:
    """Store the result of an attempt, if the worker still holds the lease. A 410 (Gone) disables the webhook."""
    attempts = delivery.attempts + 1
    delay = RETRY_DELAYS[attempts - 1] if attempts <= len(RETRY_DELAYS) else None
    state = Delivery.State.WAITING
    if not problem:
        state = Delivery.State.DELIVERED
    elif delay is None or status == HTTP_GONE:
        state = Delivery.State.FAILED
    due_at = now
    if state == Delivery.State.WAITING and delay is not None:
        due_at = now + delay * (1.0 + _JITTER * (2.0 * rng.random() - 1.0))
    Delivery.objects.filter(pk=delivery.pk, lease_holder=worker_id).update(
        state=state,
        attempts=attempts,
        status=status,
        problem=problem[:200],
        due_at=due_at,
        ended_at=None if state == Delivery.State.WAITING else now,
        lease_holder="",
        lease_until=None,
    )
    if status == HTTP_GONE:
        Webhook.objects.filter(pk=delivery.webhook_id, disabled_at__isnull=True).update(
            disabled_at=now, disabled_because="the address answered 410 Gone"
        )


class _BlockedUrl(Exception):
    """The address that a host name resolves to now may not be called."""


async def _post(url: str, *, headers: dict[str, str], body: bytes) -> int:
    """POST to `url` and return the status, with one deadline for the whole call. Redirects are not followed; no body is
    read."""
    async with asyncio.timeout(CALL_TIMEOUT_SECONDS):
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        loop = asyncio.get_running_loop()
        address_infos = await loop.getaddrinfo(host, port, proto=6)
        ip_addresses = [str(info[4][0]) for info in address_infos]
        if outbound_urls.find_blocked_reason(url, ip_addresses):
            raise _BlockedUrl
        # Call the very address that was checked: the name may resolve to another a moment later.
        pinned_host = f"[{ip_addresses[0]}]" if ":" in ip_addresses[0] else ip_addresses[0]
        target = httpx.URL(url).copy_with(host=pinned_host.strip("[]"))
        bracketed_host = f"[{host}]" if ":" in host else host
        host_header = {
            "host": bracketed_host if parts.port is None else f"{bracketed_host}:{parts.port}"
        }
        async with (
            httpx.AsyncClient(follow_redirects=False, trust_env=False, timeout=CALL_TIMEOUT_SECONDS) as client,
            client.stream(
                "POST", target, content=body, headers=headers | host_header, extensions={"sni_hostname": host}
            ) as response,
        ):  # fmt: skip
            return response.status_code


def _list_due(now: datetime) -> "QuerySet[Delivery]":
    is_unleased = Q(lease_until__isnull=True) | Q(lease_until__lt=now)
    return Delivery.objects.filter(
        is_unleased,
        state=Delivery.State.WAITING,
        due_at__lte=now,
        webhook__disabled_at__isnull=True,
    )
