"""When evidence was observed: the age that stands beside a score."""

from collections.abc import Iterable
from datetime import datetime

from mintmark.evidence.models import Event


def get_event_times(ids: Iterable[int]) -> dict[int, datetime]:
    """When each of these events occurred; ids that no event has are left out."""
    events = Event.objects.filter(pk__in=list(ids))
    return dict(events.values_list("pk", "occurred_at"))
