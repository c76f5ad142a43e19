"""The page of what one's teams bought, may use, have put to work and sell."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Model, Q, QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role
from mintmark.deployments.models import Injection
from mintmark.market import sales_report, warranties
from mintmark.market.models import Purchase, PurchaseRequest, Warranty
from mintmark.market.warranties import WarrantyOutcome
from mintmark.registry import entitlements
from mintmark.registry.models import Entitlement

from .. import decorators, query_params
from ..account import assistant_context
from ..charts import interval

ROWS_PER_PAGE = 15
_MAX_ACTIVE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class WarrantyProgress:
    """How a warranty stands: what was measured so far of what was promised. `done`, `mean_at` and `floor_at` are
    places on an axis, in percent; `days_left` is None where it is settled."""

    warranty: Warranty
    outcome: WarrantyOutcome
    runs_percent: float
    mean_percent: float | None
    floor_percent: float
    days_left: int | None

    @property
    def is_open(self) -> bool:
        return self.warranty.state == Warranty.State.OPEN

    @property
    def has_failed(self) -> bool:
        return self.warranty.state == Warranty.State.FAILED


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchaseRow:
    """A purchase and its warranty, if the seller gave one."""

    purchase: Purchase
    warranty_progress: WarrantyProgress | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PagedRows[Row: Model]:
    """A page of a list, and the query strings that lead to older rows and back to the newest ("" where there is no
    such place)."""

    rows: Sequence[Row]
    older: str
    newest: str


@decorators.get_view
def show_my_market(request: HttpRequest) -> HttpResponseBase:
    """`/market/mine`."""
    caller = decorators.get_caller(request)
    context = build_context(request, caller=caller, now=timezone.now()) | {
        "withdrawn": assistant_context.find_withdrawn_injection(request, caller=caller)
    }
    return render(request, "web/mine.html", context)


def build_context(request: HttpRequest, *, caller: Caller, now: datetime) -> dict[str, Any]:
    """Everything that belongs to the caller's teams, each list from its own place on."""
    teams = caller.team_ids
    purchases = _paginate(request, "bought_before", _query_purchases(caller))
    active_injections = Injection.objects.filter(assistant__team__in=teams, ended_at__isnull=True)
    return {
        "purchases": purchases,
        "bought": [
            PurchaseRow(
                purchase=purchase, warranty_progress=_build_warranty_progress(purchase, now=now)
            )
            for purchase in purchases.rows
        ],
        "usable": _paginate(request, "usable_before", _query_usable(caller)),
        "at_work": active_injections.select_related("prompt", "assistant", "injected_by").order_by(
            "assistant__name", "slot"
        )[:_MAX_ACTIVE],
        "operated": {team for team in teams if caller.has_role(Role.OPERATOR, team_id=team)},
        "selling": _paginate(request, "selling_before", sales_report.list_sales(caller=caller)),
        "requests": PurchaseRequest.objects.filter(
            buyer__team__in=teams, state=PurchaseRequest.State.WAITING
        ).count(),
    }


def _query_purchases(caller: Caller) -> QuerySet[Purchase]:
    rows = Purchase.objects.filter(team__in=caller.team_ids)
    return rows.select_related(
        "prompt",
        "listing__warranty_ritual",
        "prompt_set",
        "buyer",
        "team",
        "warranty",
        "entitlement",
    ).order_by("-id")


def _query_usable(caller: Caller) -> QuerySet[Entitlement]:
    return entitlements.list_held_grants(team_ids=caller.team_ids).annotate(
        at_work=Count(
            "prompt__injections",
            filter=Q(
                prompt__injections__ended_at__isnull=True,
                prompt__injections__assistant__team__in=caller.team_ids,
            ),
        )
    )


def _paginate[Row: Model](request: HttpRequest, name: str, rows: QuerySet[Row]) -> PagedRows[Row]:
    before = query_params.parse_integer(request.GET, name)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    fetched_rows = list(rows[: ROWS_PER_PAGE + 1])
    next_before = fetched_rows[ROWS_PER_PAGE - 1].pk if len(fetched_rows) > ROWS_PER_PAGE else None
    return PagedRows(
        rows=fetched_rows[:ROWS_PER_PAGE],
        older=query_params.build_query_string(request.GET, **{name: next_before})
        if next_before is not None
        else "",
        newest=query_params.build_query_string(request.GET, **{name: None})
        if before is not None
        else "",
    )


def _build_warranty_progress(purchase: Purchase, *, now: datetime) -> WarrantyProgress | None:
    warranty: Warranty | None = getattr(purchase, "warranty", None)
    if warranty is None:
        return None
    listing = purchase.listing
    assert listing.warranty_runs is not None
    assert listing.warranty_floor is not None
    is_open = warranty.state == Warranty.State.OPEN
    outcome = (
        warranties.measure_outcome(warranty=warranty, now=now)
        if is_open
        else WarrantyOutcome(score=warranty.score, runs=warranty.runs)
    )
    time_left = max(timedelta(), warranty.ends_at - now)
    return WarrantyProgress(
        warranty=warranty,
        outcome=outcome,
        runs_percent=interval.to_percent(outcome.runs, end=listing.warranty_runs),
        mean_percent=interval.to_percent(outcome.score) if outcome.score is not None else None,
        floor_percent=interval.to_percent(listing.warranty_floor),
        days_left=-(-time_left // timedelta(days=1)) if is_open else None,
    )
