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
from mintmark.common import errors
from mintmark.registry.models import Assistant, Prompt, Ritual
from mintmark.rituals import comparisons
from mintmark.rituals.comparisons import CaseComparison, ComparisonProgress
from mintmark.rituals.models import Comparison, ComparisonSnapshot, RunnerSettings

from .. import decorators, query_params
from ..charts import confidence_sequence

ROWS_PER_PAGE = 25
MAX_POINTS = 120
CASES_SHOWN = 100
MAX_CHOICES = 200
STATE_LABELS = {
    Comparison.State.QUEUED: "queued",
    Comparison.State.RUNNING: "is running",
    Comparison.State.DONE: "done",
    Comparison.State.INCOMPLETE: "stopped early",
    Comparison.State.CANCELLED: "stopped",
}
"""The states of a comparison in a word or two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonRow:
    """A comparison as a line of the list; `look` is what it said last, None before a pair."""

    comparison: Comparison
    state: str
    snapshot: ComparisonSnapshot | None
    better: Prompt | None
    is_equal: bool
    is_rehearsal: bool


@decorators.get_view
def list_comparisons(request: HttpRequest) -> HttpResponseBase:
    """`/comparisons`: those by the caller's teams' assistants, newest first."""
    caller = decorators.get_caller(request)
    visible_rows = comparisons.visible_to(caller=caller).defer("packed")
    state = query_params.parse_choice(request.GET, "state", allowed=("", *STATE_LABELS), default="")
    filters = {
        name: query_params.parse_integer(request.GET, name) for name in ("assistant", "ritual")
    }
    rows = visible_rows.filter(**{name: pk for name, pk in filters.items() if pk is not None})
    if state:
        rows = rows.filter(state=state)
    before = query_params.parse_integer(request.GET, "before")
    if before is not None:
        rows = rows.filter(pk__lt=before)
    fetched_rows = list(rows[: ROWS_PER_PAGE + 1])
    shown_rows = fetched_rows[:ROWS_PER_PAGE]
    context = {
        "rows": _build_rows(shown_rows),
        "more": shown_rows[-1].pk if len(fetched_rows) > ROWS_PER_PAGE else None,
        "before": before,
        "is_narrowed": bool(state or any(filters.values())),
        "state_at": state,
        "assistant_at": filters["assistant"],
        "ritual_at": filters["ritual"],
        "states": list(STATE_LABELS.items()),
        "assistants": Assistant.objects.filter(comparisons__in=visible_rows.order_by())
        .distinct()
        .order_by("name")[:MAX_CHOICES],
        "rituals": Ritual.objects.filter(comparisons__in=visible_rows.order_by())
        .distinct()
        .order_by("name", "-version")[:MAX_CHOICES],
        "may_start": caller.has_role_anywhere(Role.OPERATOR),
    }
    return render(request, "web/comparisons.html", context)


@decorators.get_view
def show_comparison(request: HttpRequest, comparison_id: int) -> HttpResponseBase:
    """`/comparisons/<id>`, to the assistant's team; what it says by now as a fragment, while it is under way."""
    caller = decorators.get_caller(request)
    context = _build_context(
        comparisons.get_comparison(caller=caller, pk=comparison_id), caller=caller
    )
    fragment = "#live" if request.headers.get("HX-Request") == "true" else ""
    return render(request, f"web/comparison.html{fragment}", context)


@decorators.post_view
def stop_comparison(request: HttpRequest, comparison_id: int) -> HttpResponseBase:
    """`/comparisons/<id>/stop`: no further pair is drawn; what it says stays true."""
    caller = decorators.get_caller(request)
    comparison = comparisons.stop(
        caller=caller,
        comparison=comparisons.get_comparison(caller=caller, pk=comparison_id),
        now=timezone.now(),
    )
    if comparison.state == Comparison.State.CANCELLED:
        messages.success(request, "The comparison was stopped. Its result so far is valid.")
    else:
        messages.info(request, "The comparison had already ended. Nothing was changed.")
    return redirect("comparison", comparison.pk)


@decorators.post_view
def resume_comparison(request: HttpRequest, comparison_id: int) -> HttpResponseBase:
    """`/comparisons/<id>/resume`: a worker goes on, with more pairs or another cap if they are typed."""
    caller = decorators.get_caller(request)
    comparison = comparisons.get_comparison(caller=caller, pk=comparison_id)
    try:
        comparisons.resume(
            caller=caller,
            comparison=comparison,
            most_pairs=query_params.parse_integer(
                request.POST, "most_pairs", maximum=comparisons.MAX_PAIRS
            ),
            cost_cap_micro=query_params.parse_amount_micro(request.POST, "cost_cap"),
        )
    except errors.Forbidden:
        raise
    except errors.DomainError as error:
        context = _build_context(comparison, caller=caller) | {
            "problem": error.message,
            "typed_pairs": request.POST.get("most_pairs", ""),
            "typed_cap": request.POST.get("cost_cap", ""),
        }
        return render(request, "web/comparison.html", context, status=422)
    messages.success(request, "The comparison continues as soon as a worker is free.")
    return redirect("comparison", comparison.pk)


def _build_context(comparison: Comparison, *, caller: Caller) -> dict[str, Any]:
    """All that the page says of a comparison."""
    progress = comparisons.get_progress(comparison)
    snapshots = comparisons.list_snapshots(comparison, max_snapshots=MAX_POINTS)
    operates = caller.has_role(Role.OPERATOR, team_id=comparison.assistant.team_id)
    state = Comparison.State(progress.state)
    is_ended = state not in (Comparison.State.QUEUED, Comparison.State.RUNNING)
    return {
        "comparison": comparison,
        "told": progress,
        "said": progress.result,
        "state": STATE_LABELS[state],
        "is_ended": is_ended,
        "is_rehearsal": comparison.runner_kind == RunnerSettings.Kind.REHEARSAL,
        "better": _get_better_prompt(comparison, progress.decision),
        "is_equal": progress.decision == "equal",
        "confidence": 1.0 - comparison.alpha,
        "reach": max(0.1, abs(progress.result.low), abs(progress.result.high)),
        "line": confidence_sequence.build_difference_chart(
            [_to_point(snapshot) for snapshot in snapshots], margin=comparison.margin
        ),
        "cases": _list_most_drawn(progress.cases),
        "busy": _find_running(comparison) if state == Comparison.State.QUEUED else None,
        "may_stop": operates and not is_ended,
        "may_resume": operates and is_ended and _is_open(progress),
        "least_further": progress.result.pairs + 1,
        "most_pairs": comparisons.MAX_PAIRS,
    }


def _build_rows(shown_rows: Sequence[Comparison]) -> list[ComparisonRow]:
    latest_snapshots = ComparisonSnapshot.objects.filter(
        comparison__in=shown_rows, pairs=F("comparison__counted")
    )
    snapshots = {snapshot.comparison_id: snapshot for snapshot in latest_snapshots}
    return [
        ComparisonRow(
            comparison=comparison,
            state=STATE_LABELS[Comparison.State(comparison.state)],
            snapshot=snapshots.get(comparison.pk),
            better=_get_better_prompt(comparison, comparison.decision),
            is_equal=comparison.decision == "equal",
            is_rehearsal=comparison.runner_kind == RunnerSettings.Kind.REHEARSAL,
        )
        for comparison in shown_rows
    ]


def _get_better_prompt(comparison: Comparison, decision: str) -> Prompt | None:
    return {"first": comparison.first, "second": comparison.second}.get(decision)


def _is_open(progress: ComparisonProgress) -> bool:
    return progress.decision == "open" and progress.result.pairs < comparisons.MAX_PAIRS


def _list_most_drawn(cases: Sequence[CaseComparison]) -> list[CaseComparison]:
    """The cases that were drawn most, in which it was decided; of equals, in the ritual's order."""
    return sorted(cases, key=lambda case: -case.pairs)[:CASES_SHOWN]


def _to_point(snapshot: ComparisonSnapshot) -> confidence_sequence.DifferencePoint:
    return confidence_sequence.DifferencePoint(
        pairs=snapshot.pairs, mean=snapshot.mean, low=snapshot.low, high=snapshot.high
    )


def _find_running(comparison: Comparison) -> Comparison | None:
    """The comparison by the same assistant that goes first."""
    rows = Comparison.objects.filter(
        assistant=comparison.assistant_id, state=Comparison.State.RUNNING
    )
    return rows.first()
