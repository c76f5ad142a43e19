"""The moment for which scores are read."""

from datetime import datetime

from django.utils import timezone


def get_read_time() -> datetime:
    """The start of the current minute.

    Scores age with a half-life of months, so this changes no digit that is shown; it lets an answer stay the same, and
    its ETag with it, for a caller who polls. Evidence younger than the reading counts with its full weight.
    """
    return timezone.now().replace(second=0, microsecond=0)
