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
from mintmark.market import sales, warranties
from mintmark.market.models import (
    Injection,
    Purchase,
    PurchaseRequest,
    Warranty,
)
from mintmark.market.warranties import Measured
from mintmark.registry import entitlements
from mintmark.registry.models import Entitlement

from . import contexts, doors, parameters
from .charts import interval

ROWS_A_PAGE = 15
_MOST_AT_WORK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """How a warranty stands: what was measured so far of what was promised. `done`, `mean_at` and `floor_at` are
    places on an axis, in percent; `days_left` is None where it is settled."""

    warranty: Warranty
    measured: Measured
    done: float
    mean_at: float | None
    floor_at: float
    days_left: int | None

    @property
    def is_open(self) -> bool:
        return self.warranty.state == Warranty.State.OPEN

    @property
    def has_failed(self) -> bool:
        return self.warranty.state == Warranty.State.FAILED


@dataclass(frozen=True, slots=True, kw_only=True)
class Bought:
    """A purchase and its warranty, if the seller gave one."""

    purchase: Purchase
    promise: Promise | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part[Row: Model]:
    """A page of a list, and the query strings that lead to older rows and back to the newest ("" where there is no
    such place)."""

    rows: Sequence[Row]
    older: str
    newest: str


@doors.page
def page(request: HttpRequest) -> HttpResponseBase:
    """`/market/mine`."""
    caller = doors.caller(request)
    context = read(request, caller=caller, now=timezone.now()) | {
        "withdrawn": contexts.withdrawn(request, caller=caller)
    }
    return render(request, "web/mine.html", context)


def read(request: HttpRequest, *, caller: Caller, now: datetime) -> dict[str, Any]:
    """Everything that belongs to the caller's teams, each list from its own place on."""
    teams = caller.team_ids
    purchases = _part(request, "bought_before", _purchases(caller))
    at_work = Injection.objects.filter(assistant__team__in=teams, ended_at__isnull=True)
    return {
        "purchases": purchases,
        "bought": [Bought(purchase=one, promise=_promise(one, now=now)) for one in purchases.rows],
        "usable": _part(request, "usable_before", _usable(caller)),
        "at_work": at_work.select_related("prompt", "assistant", "injected_by").order_by(
            "assistant__name", "slot"
        )[:_MOST_AT_WORK],
        "operated": {team for team in teams if caller.has_role(Role.OPERATOR, team_id=team)},
        "selling": _part(request, "selling_before", sales.of(caller=caller)),
        "requests": PurchaseRequest.objects.filter(
            buyer__team__in=teams, state=PurchaseRequest.State.WAITING
        ).count(),
    }


def _purchases(caller: Caller) -> QuerySet[Purchase]:
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


def _usable(caller: Caller) -> QuerySet[Entitlement]:
    return entitlements.held(team_ids=caller.team_ids).annotate(
        at_work=Count(
            "prompt__injections",
            filter=Q(
                prompt__injections__ended_at__isnull=True,
                prompt__injections__assistant__team__in=caller.team_ids,
            ),
        )
    )


def _part[Row: Model](request: HttpRequest, name: str, rows: QuerySet[Row]) -> Part[Row]:
    before = parameters.whole(request.GET, name)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    found = list(rows[: ROWS_A_PAGE + 1])
    more = found[ROWS_A_PAGE - 1].pk if len(found) > ROWS_A_PAGE else None
    return Part(
        rows=found[:ROWS_A_PAGE],
        older=parameters.changed(request.GET, **{name: more}) if more is not None else "",
        newest=parameters.changed(request.GET, **{name: None}) if before is not None else "",
    )


def _promise(purchase: Purchase, *, now: datetime) -> Promise | None:
    warranty: Warranty | None = getattr(purchase, "warranty", None)
    if warranty is None:
        return None
    listing = purchase.listing
    assert listing.warranty_runs is not None
    assert listing.warranty_floor is not None
    is_open = warranty.state == Warranty.State.OPEN
    told = (
        warranties.measured(warranty=warranty, now=now)
        if is_open
        else Measured(score=warranty.score, runs=warranty.runs)
    )
    left = max(timedelta(), warranty.ends_at - now)
    return Promise(
        warranty=warranty,
        measured=told,
        done=interval.percent(told.runs, end=listing.warranty_runs),
        mean_at=interval.percent(told.score) if told.score is not None else None,
        floor_at=interval.percent(listing.warranty_floor),
        days_left=-(-left // timedelta(days=1)) if is_open else None,
    )
