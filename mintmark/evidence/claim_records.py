"""How many of a team's claims were run again, and how many held."""

from collections.abc import Collection
from dataclasses import dataclass

from django.db.models import Count, Q

from .models import ClaimVerdict


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictCounts:
    """Verdicts on a team's claims, those that held, and those that count for its record: what a team asked for itself
    counts only against it."""

    verdicts: int = 0
    held: int = 0
    counted: int = 0


def count_verdicts(*, team_ids: Collection[int]) -> dict[int, VerdictCounts]:
    """The counts of each of these teams, in one query."""
    rows = (
        ClaimVerdict.objects.filter(event__cohort__in=team_ids)
        .values("event__cohort")
        .annotate(
            verdicts=Count("id"),
            held_count=Count("id", filter=Q(held=True)),
            counted=Count("id", filter=Q(is_credit=True) | Q(held=False)),
        )
        .order_by()
    )
    counts = {
        row["event__cohort"]: VerdictCounts(
            verdicts=row["verdicts"], held=row["held_count"], counted=row["counted"]
        )
        for row in rows
    }
    return {team_id: counts.get(team_id, VerdictCounts()) for team_id in team_ids}
