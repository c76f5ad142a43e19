"""How long outputs are kept: after that a case's row says how it was judged, and no longer on what."""

from datetime import datetime, timedelta

from django.conf import settings

from .models import CaseRun

_AT_ONCE = 1_000


def forget(*, now: datetime) -> int:
    """Empty the outputs, and the excerpts of them, that are older than the installation keeps; how many there were."""
    before = now - timedelta(days=settings.OUTPUT_DAYS)
    forgotten = 0
    while True:
        due = CaseRun.objects.filter(
            forgotten_at__isnull=True, finished_at__isnull=False, finished_at__lte=before
        ).order_by("finished_at")[:_AT_ONCE]
        rows = list(due)
        for row in rows:
            row.output = ""
            row.assertions = [result | {"why": ""} for result in row.assertions]
            row.clauses = [
                verdict | {"why": "", "excerpt": "", "span": None} for verdict in row.clauses
            ]
            row.forgotten_at = now
        CaseRun.objects.bulk_update(
            rows, ["output", "assertions", "clauses", "forgotten_at"], batch_size=200
        )
        forgotten += len(rows)
        if len(rows) < _AT_ONCE:
            return forgotten
