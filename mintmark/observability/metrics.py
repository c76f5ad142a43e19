"""`/metrics`: what this installation does, for Prometheus, summed over the processes of the server.

Each process writes its counters to files of its own in the folder that `PROMETHEUS_MULTIPROC_DIR` names, which
`mintmark serve` makes; whichever process is asked reads them all.
"""

import hmac
import os

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

from mintmark.accounts import authentication
from mintmark.accounts.models import Role
from mintmark.evidence.models import Event
from mintmark.projection import projector

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

_requests = Counter("mintmark_requests", "Requests answered.", ["method", "route", "status"])
_seconds = Histogram("mintmark_request_seconds", "Seconds to answer a request.", ["route"])


def count_request(*, method: str, route: str, status: int, seconds: float) -> None:
    """Count a request that was answered."""
    _requests.labels(method, route, str(status)).inc()
    _seconds.labels(route).observe(seconds)


@require_safe
@login_not_required
def show_metrics(request: HttpRequest) -> HttpResponse:
    """`/metrics`: to who brings `MINTMARK_METRICS_TOKEN`, or a key of an auditor with the scope `read`."""
    if not _may_read(request):
        unauthorized = HttpResponse(
            "Send MINTMARK_METRICS_TOKEN, or an auditor's key, as a bearer in Authorization.\n",
            status=401,
            content_type="text/plain",
        )
        unauthorized["WWW-Authenticate"] = 'Bearer realm="mintmark metrics"'
        return unauthorized
    registry = CollectorRegistry() if FOLDER_VARIABLE in os.environ else REGISTRY
    if registry is not REGISTRY:
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    response = HttpResponse(
        generate_latest(registry) + _generate_database_gauges(), content_type=CONTENT_TYPE_LATEST
    )
    response["Cache-Control"] = "no-store"
    return response


def _generate_database_gauges() -> bytes:
    """What stands in the database now, the same from whichever process."""
    registry = CollectorRegistry()
    recorded, folded = Event.objects.count(), projector.get_checkpoint().folded
    for name, description, value in (
        ("mintmark_events_recorded", "Events in the evidence log.", recorded),
        ("mintmark_events_unfolded", "Events that scores do not include yet.", recorded - folded),
    ):
        Gauge(name, description, registry=registry).set(value)
    return generate_latest(registry)


def _may_read(request: HttpRequest) -> bool:
    scheme, _, secret = request.headers.get("Authorization", "").strip().partition(" ")
    secret = secret.strip()
    if scheme.lower() != "bearer" or not secret:
        return False
    token: str = settings.METRICS_TOKEN
    if token and hmac.compare_digest(secret.encode(), token.encode()):
        return True
    caller = authentication.authenticate(secret=secret, now=timezone.now())
    if caller is None or not {"read", "admin"} & caller.scopes:
        return False
    return caller.has_role(Role.AUDITOR, team_id=None)
