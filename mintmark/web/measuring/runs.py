"""The pages of runs: how far each is, what came of its frames, what it entered into the log; cancelled and resumed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db.models import Count, F, QuerySet, Sum
from django.http import HttpRequest, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role
from mintmark.common import errors
from mintmark.evidence.models import Event
from mintmark.experiments import perturbations
from mintmark.registry.models import Assistant, Codex, Prompt, Ritual
from mintmark.reputation.ledger import PromptReputationLedger
from mintmark.reputation.results import EvidenceRow
from mintmark.rituals import evidence_claims, runs
from mintmark.rituals.models import CaseRun, Dreamframe, RitualRun, RunnerSettings
from mintmark.rituals.runs import RunProgress
from mintmark.scoring.estimate import Estimate

from .. import decorators, query_params
from . import results, run_cases

ROWS_PER_PAGE = 25
EVENTS_PER_PAGE = 25
MAX_CHOICES = 200
STATE_LABELS = {
    RitualRun.State.QUEUED: "queued",
    RitualRun.State.RUNNING: "is running",
    RitualRun.State.DONE: "done",
    RitualRun.State.INCOMPLETE: "stopped early",
    RitualRun.State.CANCELLED: "cancelled",
}
"""The states of a run in a word or two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """A run as a line of the list."""

    run: RitualRun
    progress: RunProgress
    state: str
    score: Estimate | None
    is_rehearsal: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DreamframeRow:
    """A frame: its context in words, how many of its cases have ended, its score, and what of it is in the log."""

    number: int
    description: str
    cases: int
    done: int
    failed: int
    score: Estimate | None
    recorded: str
    in_log: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """What the list is narrowed to."""

    state: str
    assistant: Assistant | None
    prompt: Prompt | None
    ritual: Ritual | None

    @property
    def is_set(self) -> bool:
        return bool(self.state or self.assistant or self.prompt or self.ritual)


@decorators.get_view
def list_runs(request: HttpRequest) -> HttpResponseBase:
    """`/runs`: those of the caller's teams, newest first."""
    caller = decorators.get_caller(request)
    visible_runs = runs.visible_to(caller=caller)
    run_filter = _parse_filter(request.GET)
    rows = _apply_filter(visible_runs, run_filter)
    before = query_params.parse_integer(request.GET, "before")
    if before is not None:
        rows = rows.filter(pk__lt=before)
    fetched_rows = list(rows[: ROWS_PER_PAGE + 1])
    shown_runs = fetched_rows[:ROWS_PER_PAGE]
    context = {
        "rows": _build_rows(shown_runs),
        "more": shown_runs[-1].pk if len(fetched_rows) > ROWS_PER_PAGE else None,
        "before": before,
        "asked": run_filter,
        "states": list(STATE_LABELS.items()),
        "assistants": Assistant.objects.filter(ritual_runs__in=visible_runs.order_by())
        .distinct()
        .order_by("name")[:MAX_CHOICES],
        "rituals": Ritual.objects.filter(runs__in=visible_runs.order_by())
        .distinct()
        .order_by("name", "-version")[:MAX_CHOICES],
        "may_start": caller.has_role_anywhere(Role.OPERATOR),
    }
    return render(request, "web/runs.html", context)


@decorators.get_view
def show_run(request: HttpRequest, run_id: int) -> HttpResponseBase:
    """`/runs/<id>`, to the assistant's team; how far it is by now as a fragment, while it is under way."""
    caller = decorators.get_caller(request)
    run = runs.get_run(caller=caller, pk=run_id)
    context = build_live_context(run, request.GET, caller=caller)
    if request.headers.get("HX-Request") == "true":
        return render(request, "web/run.html#live", context | {"is_fragment": True})
    return render(request, "web/run.html", context | _build_details(run, request.GET))


@decorators.post_view
def cancel_run(request: HttpRequest, run_id: int) -> HttpResponseBase:
    """`/runs/<id>/cancel`: no further call begins; what is done stays."""
    caller = decorators.get_caller(request)
    run = runs.cancel(caller=caller, run=runs.get_run(caller=caller, pk=run_id), now=timezone.now())
    if run.state == RitualRun.State.CANCELLED:
        messages.success(request, f"Run {run.pk} was cancelled. Its results so far are not lost.")
    else:
        messages.info(request, f"Run {run.pk} had already ended. Nothing was changed.")
    return redirect("run", run.pk)


@decorators.post_view
def resume_run(request: HttpRequest, run_id: int) -> HttpResponseBase:
    """`/runs/<id>/resume`: a worker goes on with what is left, with another cap if one is typed."""
    caller = decorators.get_caller(request)
    run = runs.get_run(caller=caller, pk=run_id)
    try:
        cap = query_params.parse_amount_micro(request.POST, "cost_cap")
        runs.resume(caller=caller, run=run, now=timezone.now(), cost_cap_micro=cap)
    except errors.Forbidden:
        raise
    except errors.DomainError as error:
        context = build_live_context(run, request.GET, caller=caller) | _build_details(
            run, request.GET
        )
        context |= {"problem": error.message, "typed_cap": request.POST.get("cost_cap", "")}
        return render(request, "web/run.html", context, status=422)
    messages.success(request, f"Run {run.pk} continues as soon as a worker is free.")
    return redirect("run", run.pk)


def build_live_context(run: RitualRun, query: QueryDict, *, caller: Caller) -> dict[str, Any]:
    """What changes while a run is under way: its state, its frames, its evidence, and what may be done with it."""
    progress = runs.get_progress(run)
    run.refresh_from_db(fields=["state", "reason", "started_at", "ended_at", "lease_until"])
    size = results.get_effective_sizes([run]).get(run.pk)
    operates = caller.has_role(Role.OPERATOR, team_id=run.assistant.team_id)
    return {
        "run": run,
        "told": progress,
        "state": STATE_LABELS[RitualRun.State(progress.state)],
        "is_rehearsal": run.runner_kind == RunnerSettings.Kind.REHEARSAL,
        "is_demo": settings.IS_DEMO,
        "score": _build_estimate(progress.score, size),
        "frames": _build_frame_rows(run, size=size),
        "busy": _find_running(run) if progress.state == RitualRun.State.QUEUED else None,
        "may_cancel": operates and not run.is_ended,
        "may_resume": operates and run.is_ended and progress.state != RitualRun.State.DONE,
        "may_start": operates,
        "frame_at": _parse_frame_number(run, query),
        **_build_events(run, query),
    }


def _build_details(run: RitualRun, query: QueryDict) -> dict[str, Any]:
    """What a run's page shows beside: how it is run, and the cases of one frame."""
    codices = Codex.objects.filter(pk__in=run.codex_ids).order_by("id")
    return {
        "codices": codices,
        **run_cases.build_case_page(run, query, frame=_parse_frame_number(run, query)),
    }


def _parse_frame_number(run: RitualRun, query: QueryDict) -> int:
    return query_params.parse_integer(query, "frame", minimum=0, maximum=run.perturbed) or 0


def _parse_filter(query: QueryDict) -> RunFilter:
    return RunFilter(
        state=query_params.parse_choice(query, "state", allowed=("", *STATE_LABELS), default=""),
        assistant=_get_chosen(Assistant.objects.all(), query, "assistant"),
        prompt=_get_chosen(Prompt.objects.all(), query, "prompt"),
        ritual=_get_chosen(Ritual.objects.all(), query, "ritual"),
    )


def _get_chosen[M: (Assistant, Prompt, Ritual)](
    rows: QuerySet[M], query: QueryDict, name: str
) -> M | None:
    number = query_params.parse_integer(query, name)
    if number is None:
        return None
    row = rows.filter(pk=number).first()
    if row is None:
        raise errors.NotFound(f"There is no {name} {number}.")
    return row


def _apply_filter(rows: QuerySet[RitualRun], run_filter: RunFilter) -> QuerySet[RitualRun]:
    if run_filter.state:
        rows = rows.filter(state=run_filter.state)
    if run_filter.assistant is not None:
        rows = rows.filter(assistant=run_filter.assistant)
    if run_filter.prompt is not None:
        rows = rows.filter(prompt=run_filter.prompt)
    if run_filter.ritual is not None:
        rows = rows.filter(ritual=run_filter.ritual)
    return rows


def _build_rows(shown_runs: Sequence[RitualRun]) -> list[RunRow]:
    progress_by_run, sizes = (
        runs.get_progress_by_run(shown_runs),
        results.get_effective_sizes(shown_runs),
    )
    run_rows = []
    for run in shown_runs:
        progress = progress_by_run[run.pk]
        run_rows.append(
            RunRow(
                run=run,
                progress=progress,
                state=STATE_LABELS[RitualRun.State(progress.state)],
                score=_build_estimate(progress.score, sizes.get(run.pk)),
                is_rehearsal=run.runner_kind == RunnerSettings.Kind.REHEARSAL,
            )
        )
    return run_rows


def _build_frame_rows(run: RitualRun, *, size: float | None) -> list[DreamframeRow]:
    state_counts: dict[int, Counter[str]] = {}
    states = CaseRun.objects.filter(run=run).values_list("frame", "state")
    for number, state, count in states.annotate(n=Count("id")).order_by():
        state_counts.setdefault(number, Counter())[state] = count
    return [
        _build_frame_row(frame, state_counts.get(frame.number, Counter()), size=size)
        for frame in run.frames.order_by("number")
    ]


def _build_frame_row(
    frame: Dreamframe, cases: Mapping[str, int], *, size: float | None
) -> DreamframeRow:
    description = perturbations.from_json(frame.context).describe()
    return DreamframeRow(
        number=frame.number,
        description=description.partition(": ")[2] or description,
        cases=sum(cases.values()),
        done=cases.get(CaseRun.State.DONE, 0),
        failed=cases.get(CaseRun.State.FAILED, 0),
        score=_build_estimate(frame.score, size),
        recorded=frame.recorded,
        in_log=frame.recorded_at is not None,
    )


def _build_events(run: RitualRun, query: QueryDict) -> dict[str, Any]:
    """What a run entered into the log, with what each event moved; oldest first, from a place on."""
    rows = evidence_claims.list_events(run)
    after = query_params.parse_integer(query, "event")
    later = rows.filter(pk__gt=after) if after is not None else rows
    ids = list(later.values_list("pk", flat=True)[: EVENTS_PER_PAGE + 1])
    event_rows: Sequence[EvidenceRow] = PromptReputationLedger().list_events(
        ids=ids[:EVENTS_PER_PAGE]
    )
    return {
        "events": event_rows,
        "events_in_all": rows.count(),
        "moved": _sum_effects(rows),
        "later_events": ids[EVENTS_PER_PAGE - 1] if len(ids) > EVENTS_PER_PAGE else None,
        "after_event": after,
    }


def _sum_effects(rows: QuerySet[Event]) -> float | None:
    """By how much all of a run's events together moved the prompt's reputation; None where nothing is folded yet."""
    totals = rows.aggregate(moved=Sum(F("effect__trust_after") - F("effect__trust_before")))
    total: float | None = totals["moved"]
    return total


def _find_running(run: RitualRun) -> RitualRun | None:
    """The run of the same assistant that goes first."""
    return RitualRun.objects.filter(
        assistant=run.assistant_id, state=RitualRun.State.RUNNING
    ).first()


def _build_estimate(score: float | None, size: float | None) -> Estimate | None:
    return results.estimate_score(score, cases=size) if score is not None and size else None
