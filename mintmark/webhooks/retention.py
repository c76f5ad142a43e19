"""How long deliveries are stored: ended ones are removed after a while, waiting ones never."""

from datetime import datetime, timedelta

from django.conf import settings

from .models import Delivery

_BATCH_SIZE = 1_000


def purge(*, now: datetime) -> int:
    """Remove the deliveries that ended longer ago than the retention time. Returns how many."""
    cutoff = now - timedelta(days=settings.DELIVERY_DAYS)
    ended = Delivery.objects.filter(ended_at__lte=cutoff).exclude(state=Delivery.State.WAITING)
    purged = 0
    while True:
        ids = list(ended.order_by("id").values_list("id", flat=True)[:_BATCH_SIZE])
        # Checked again, since one of them may have been queued again by now.
        purged += ended.filter(id__in=ids).delete()[0]
        if len(ids) < _BATCH_SIZE:
            return purged
