"""The pages of comparisons: which of two prompts does better, told pair by pair; stopped and gone on with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.db.models import F
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role
from mintmark.core import errors
from mintmark.registry.models import Assistant, Prompt, Ritual
from mintmark.rituals import comparisons
from mintmark.rituals.comparisons import OfCase, Told
from mintmark.rituals.models import Comparison, Look, Runner

from . import doors, parameters
from .charts import narrowing

ROWS_A_PAGE = 25
MOST_POINTS = 120
CASES_SHOWN = 100
MOST_CHOICES = 200
STATES = {
    Comparison.State.QUEUED: "waits",
    Comparison.State.RUNNING: "is running",
    Comparison.State.DONE: "done",
    Comparison.State.INCOMPLETE: "stopped short",
    Comparison.State.CANCELLED: "stopped",
}
"""The states of a comparison in a word or two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A comparison as a line of the list; `look` is what it said last, None before a pair."""

    comparison: Comparison
    state: str
    look: Look | None
    better: Prompt | None
    is_equal: bool
    is_rehearsal: bool


@doors.page
def page(request: HttpRequest) -> HttpResponseBase:
    """`/comparisons`: those by the caller's teams' assistants, newest first."""
    caller = doors.caller(request)
    mine = comparisons.visible_to(caller=caller).defer("packed")
    state = parameters.choice(request.GET, "state", allowed=("", *STATES), default="")
    narrowed = {name: parameters.whole(request.GET, name) for name in ("assistant", "ritual")}
    rows = mine.filter(**{name: pk for name, pk in narrowed.items() if pk is not None})
    if state:
        rows = rows.filter(state=state)
    before = parameters.whole(request.GET, "before")
    if before is not None:
        rows = rows.filter(pk__lt=before)
    found = list(rows[: ROWS_A_PAGE + 1])
    shown = found[:ROWS_A_PAGE]
    context = {
        "rows": _listed(shown),
        "more": shown[-1].pk if len(found) > ROWS_A_PAGE else None,
        "before": before,
        "is_narrowed": bool(state or any(narrowed.values())),
        "state_at": state,
        "assistant_at": narrowed["assistant"],
        "ritual_at": narrowed["ritual"],
        "states": list(STATES.items()),
        "assistants": Assistant.objects.filter(comparisons__in=mine.order_by())
        .distinct()
        .order_by("name")[:MOST_CHOICES],
        "rituals": Ritual.objects.filter(comparisons__in=mine.order_by())
        .distinct()
        .order_by("name", "-version")[:MOST_CHOICES],
        "may_start": caller.holds(Role.OPERATOR),
    }
    return render(request, "web/comparisons.html", context)


@doors.page
def one(request: HttpRequest, comparison_id: int) -> HttpResponseBase:
    """`/comparisons/<id>`, to the assistant's team; what it says by now as a fragment, while it is under way."""
    caller = doors.caller(request)
    context = _told(comparisons.named(caller=caller, pk=comparison_id), caller=caller)
    part = "#live" if request.headers.get("HX-Request") == "true" else ""
    return render(request, f"web/comparison.html{part}", context)


@doors.action
def stop(request: HttpRequest, comparison_id: int) -> HttpResponseBase:
    """`/comparisons/<id>/stop`: no further pair is drawn; what it says stays true."""
    caller = doors.caller(request)
    comparison = comparisons.stop(
        caller=caller,
        comparison=comparisons.named(caller=caller, pk=comparison_id),
        now=timezone.now(),
    )
    if comparison.state == Comparison.State.CANCELLED:
        messages.success(request, "It is stopped. What it says stays true: stop when you like.")
    else:
        messages.info(request, "It had ended before: nothing changed.")
    return redirect("comparison", comparison.pk)


@doors.action
def resume(request: HttpRequest, comparison_id: int) -> HttpResponseBase:
    """`/comparisons/<id>/resume`: a worker goes on, with more pairs or another cap if they are typed."""
    caller = doors.caller(request)
    comparison = comparisons.named(caller=caller, pk=comparison_id)
    try:
        comparisons.resume(
            caller=caller,
            comparison=comparison,
            most_pairs=parameters.whole(request.POST, "most_pairs", highest=comparisons.MOST_PAIRS),
            cost_cap_micro=parameters.limit(request.POST, "cost_cap"),
        )
    except errors.Forbidden:
        raise
    except errors.Refusal as refusal:
        context = _told(comparison, caller=caller) | {
            "problem": refusal.message,
            "typed_pairs": request.POST.get("most_pairs", ""),
            "typed_cap": request.POST.get("cost_cap", ""),
        }
        return render(request, "web/comparison.html", context, status=422)
    messages.success(request, "It goes on as soon as a worker is free.")
    return redirect("comparison", comparison.pk)


def _told(comparison: Comparison, *, caller: Caller) -> dict[str, Any]:
    """All that the page says of a comparison."""
    told = comparisons.told(comparison)
    looks = comparisons.trail(comparison, most=MOST_POINTS)
    operates = caller.has_role(Role.OPERATOR, team_id=comparison.assistant.team_id)
    state = Comparison.State(told.state)
    is_ended = state not in (Comparison.State.QUEUED, Comparison.State.RUNNING)
    return {
        "comparison": comparison,
        "told": told,
        "said": told.verdict,
        "state": STATES[state],
        "is_ended": is_ended,
        "is_rehearsal": comparison.runner_kind == Runner.Kind.REHEARSAL,
        "better": _better(comparison, told.decision),
        "is_equal": told.decision == "equal",
        "confidence": 1.0 - comparison.alpha,
        "reach": max(0.1, abs(told.verdict.low), abs(told.verdict.high)),
        "line": narrowing.line([_point(look) for look in looks], margin=comparison.margin),
        "cases": _most_drawn(told.cases),
        "busy": _busy(comparison) if state == Comparison.State.QUEUED else None,
        "may_stop": operates and not is_ended,
        "may_resume": operates and is_ended and _is_open(told),
        "least_further": told.verdict.pairs + 1,
        "most_pairs": comparisons.MOST_PAIRS,
    }


def _listed(shown: Sequence[Comparison]) -> list[Listed]:
    last = Look.objects.filter(comparison__in=shown, pairs=F("comparison__counted"))
    looks = {look.comparison_id: look for look in last}
    return [
        Listed(
            comparison=one,
            state=STATES[Comparison.State(one.state)],
            look=looks.get(one.pk),
            better=_better(one, one.decision),
            is_equal=one.decision == "equal",
            is_rehearsal=one.runner_kind == Runner.Kind.REHEARSAL,
        )
        for one in shown
    ]


def _better(comparison: Comparison, decision: str) -> Prompt | None:
    return {"first": comparison.first, "second": comparison.second}.get(decision)


def _is_open(told: Told) -> bool:
    return told.decision == "open" and told.verdict.pairs < comparisons.MOST_PAIRS


def _most_drawn(cases: Sequence[OfCase]) -> list[OfCase]:
    """The cases that were drawn most, in which it was decided; of equals, in the ritual's order."""
    return sorted(cases, key=lambda case: -case.pairs)[:CASES_SHOWN]


def _point(look: Look) -> narrowing.Point:
    return narrowing.Point(pairs=look.pairs, mean=look.mean, low=look.low, high=look.high)


def _busy(comparison: Comparison) -> Comparison | None:
    """The comparison by the same assistant that goes first."""
    rows = Comparison.objects.filter(
        assistant=comparison.assistant_id, state=Comparison.State.RUNNING
    )
    return rows.first()
