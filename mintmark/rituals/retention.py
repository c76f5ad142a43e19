"""How long outputs are stored: after that, a case's row has its grading but no output."""

from datetime import datetime, timedelta

from django.conf import settings

from .models import CaseRun

_BATCH_SIZE = 1_000


def purge_outputs(*, now: datetime) -> int:
    """Delete the outputs, and excerpts of them, that are older than the retention time. Returns how many."""
    cutoff = now - timedelta(days=settings.OUTPUT_DAYS)
    purged_count = 0
    while True:
        due = CaseRun.objects.filter(
            forgotten_at__isnull=True, finished_at__isnull=False, finished_at__lte=cutoff
        ).order_by("finished_at")[:_BATCH_SIZE]
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
        purged_count += len(rows)
        if len(rows) < _BATCH_SIZE:
            return purged_count
