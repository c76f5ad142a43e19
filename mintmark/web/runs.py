"""The pages of runs: how far each is, what came of its frames, what it entered into the log; cancelled and resumed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.db.models import Count, F, QuerySet, Sum
from django.http import HttpRequest, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Role
from mintmark.core import errors, perturbations
from mintmark.evidence.models import Event
from mintmark.registry.models import Assistant, Codex, Prompt, Ritual
from mintmark.reputation.answers import Estimate, EvidenceRow
from mintmark.reputation.ledger import PromptReputationLedger
from mintmark.rituals import evidence, runs
from mintmark.rituals.models import CaseRun, Dreamframe, RitualRun, Runner
from mintmark.rituals.runs import Progress

from . import doors, judged, parameters, results

ROWS_A_PAGE = 25
EVENTS_A_PAGE = 25
MOST_CHOICES = 200
STATES = {
    RitualRun.State.QUEUED: "waits",
    RitualRun.State.RUNNING: "is running",
    RitualRun.State.DONE: "done",
    RitualRun.State.INCOMPLETE: "stopped short",
    RitualRun.State.CANCELLED: "cancelled",
}
"""The states of a run in a word or two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A run as a line of the list."""

    run: RitualRun
    told: Progress
    state: str
    score: Estimate | None
    is_rehearsal: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameLine:
    """A frame: its context in words, how many of its cases have ended, its score, and what of it is in the log."""

    number: int
    says: str
    cases: int
    done: int
    failed: int
    score: Estimate | None
    recorded: str
    in_log: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What the list is narrowed to."""

    state: str
    assistant: Assistant | None
    prompt: Prompt | None
    ritual: Ritual | None

    @property
    def is_set(self) -> bool:
        return bool(self.state or self.assistant or self.prompt or self.ritual)


@doors.page
def page(request: HttpRequest) -> HttpResponseBase:
    """`/runs`: those of the caller's teams, newest first."""
    caller = doors.caller(request)
    mine = runs.visible_to(caller=caller)
    asked = _asked(request.GET)
    rows = _narrowed(mine, asked)
    before = parameters.whole(request.GET, "before")
    if before is not None:
        rows = rows.filter(pk__lt=before)
    found = list(rows[: ROWS_A_PAGE + 1])
    shown = found[:ROWS_A_PAGE]
    context = {
        "rows": _listed(shown),
        "more": shown[-1].pk if len(found) > ROWS_A_PAGE else None,
        "before": before,
        "asked": asked,
        "states": list(STATES.items()),
        "assistants": Assistant.objects.filter(ritual_runs__in=mine.order_by())
        .distinct()
        .order_by("name")[:MOST_CHOICES],
        "rituals": Ritual.objects.filter(runs__in=mine.order_by())
        .distinct()
        .order_by("name", "-version")[:MOST_CHOICES],
        "may_start": caller.holds(Role.OPERATOR),
    }
    return render(request, "web/runs.html", context)


@doors.page
def one(request: HttpRequest, run_id: int) -> HttpResponseBase:
    """`/runs/<id>`, to the assistant's team; how far it is by now as a fragment, while it is under way."""
    caller = doors.caller(request)
    run = runs.named(caller=caller, pk=run_id)
    context = live(run, request.GET, caller=caller)
    if request.headers.get("HX-Request") == "true":
        return render(request, "web/run.html#live", context | {"is_fragment": True})
    return render(request, "web/run.html", context | _whole(run, request.GET))


@doors.action
def cancel(request: HttpRequest, run_id: int) -> HttpResponseBase:
    """`/runs/<id>/cancel`: no further call begins; what is done stays."""
    caller = doors.caller(request)
    run = runs.cancel(caller=caller, run=runs.named(caller=caller, pk=run_id), now=timezone.now())
    if run.state == RitualRun.State.CANCELLED:
        messages.success(request, f"Run {run.pk} is cancelled. What was done stays, and is paid.")
    else:
        messages.info(request, f"Run {run.pk} had ended before: nothing changed.")
    return redirect("run", run.pk)


@doors.action
def resume(request: HttpRequest, run_id: int) -> HttpResponseBase:
    """`/runs/<id>/resume`: a worker goes on with what is left, with another cap if one is typed."""
    caller = doors.caller(request)
    run = runs.named(caller=caller, pk=run_id)
    try:
        cap = parameters.limit(request.POST, "cost_cap")
        runs.resume(caller=caller, run=run, now=timezone.now(), cost_cap_micro=cap)
    except errors.Forbidden:
        raise
    except errors.Refusal as refusal:
        context = live(run, request.GET, caller=caller) | _whole(run, request.GET)
        context |= {"problem": refusal.message, "typed_cap": request.POST.get("cost_cap", "")}
        return render(request, "web/run.html", context, status=422)
    messages.success(request, f"Run {run.pk} goes on as soon as a worker is free.")
    return redirect("run", run.pk)


def live(run: RitualRun, query: QueryDict, *, caller: Caller) -> dict[str, Any]:
    """What changes while a run is under way: its state, its frames, its evidence, and what may be done with it."""
    told = runs.progress(run)
    run.refresh_from_db(fields=["state", "reason", "started_at", "ended_at", "lease_until"])
    size = results.sizes([run]).get(run.pk)
    operates = caller.has_role(Role.OPERATOR, team_id=run.assistant.team_id)
    return {
        "run": run,
        "told": told,
        "state": STATES[RitualRun.State(told.state)],
        "is_rehearsal": run.runner_kind == Runner.Kind.REHEARSAL,
        "score": _estimate(told.score, size),
        "frames": _frames(run, size=size),
        "busy": _busy(run) if told.state == RitualRun.State.QUEUED else None,
        "may_cancel": operates and not run.is_ended,
        "may_resume": operates and run.is_ended and told.state != RitualRun.State.DONE,
        "may_start": operates,
        "frame_at": _frame_at(run, query),
        **_events(run, query),
    }


def _whole(run: RitualRun, query: QueryDict) -> dict[str, Any]:
    """What a run's page shows beside: how it is run, and the cases of one frame."""
    codices = Codex.objects.filter(pk__in=run.codex_ids).order_by("id")
    return {"codices": codices, **judged.cases(run, query, frame=_frame_at(run, query))}


def _frame_at(run: RitualRun, query: QueryDict) -> int:
    return parameters.whole(query, "frame", lowest=0, highest=run.perturbed) or 0


def _asked(query: QueryDict) -> Filter:
    return Filter(
        state=parameters.choice(query, "state", allowed=("", *STATES), default=""),
        assistant=_chosen(Assistant.objects.all(), query, "assistant"),
        prompt=_chosen(Prompt.objects.all(), query, "prompt"),
        ritual=_chosen(Ritual.objects.all(), query, "ritual"),
    )


def _chosen[M: (Assistant, Prompt, Ritual)](
    rows: QuerySet[M], query: QueryDict, name: str
) -> M | None:
    number = parameters.whole(query, name)
    if number is None:
        return None
    found = rows.filter(pk=number).first()
    if found is None:
        raise errors.NotFound(f"There is no {name} {number}.")
    return found


def _narrowed(rows: QuerySet[RitualRun], asked: Filter) -> QuerySet[RitualRun]:
    if asked.state:
        rows = rows.filter(state=asked.state)
    if asked.assistant is not None:
        rows = rows.filter(assistant=asked.assistant)
    if asked.prompt is not None:
        rows = rows.filter(prompt=asked.prompt)
    if asked.ritual is not None:
        rows = rows.filter(ritual=asked.ritual)
    return rows


def _listed(shown: Sequence[RitualRun]) -> list[Listed]:
    told, sizes = runs.progress_of(shown), results.sizes(shown)
    lines = []
    for run in shown:
        so_far = told[run.pk]
        lines.append(
            Listed(
                run=run,
                told=so_far,
                state=STATES[RitualRun.State(so_far.state)],
                score=_estimate(so_far.score, sizes.get(run.pk)),
                is_rehearsal=run.runner_kind == Runner.Kind.REHEARSAL,
            )
        )
    return lines


def _frames(run: RitualRun, *, size: float | None) -> list[FrameLine]:
    counted: dict[int, Counter[str]] = {}
    states = CaseRun.objects.filter(run=run).values_list("frame", "state")
    for number, state, many in states.annotate(n=Count("id")).order_by():
        counted.setdefault(number, Counter())[state] = many
    return [
        _frame(frame, counted.get(frame.number, Counter()), size=size)
        for frame in run.frames.order_by("number")
    ]


def _frame(frame: Dreamframe, cases: Mapping[str, int], *, size: float | None) -> FrameLine:
    says = perturbations.from_json(frame.context).says()
    return FrameLine(
        number=frame.number,
        says=says.partition(": ")[2] or says,
        cases=sum(cases.values()),
        done=cases.get(CaseRun.State.DONE, 0),
        failed=cases.get(CaseRun.State.FAILED, 0),
        score=_estimate(frame.score, size),
        recorded=frame.recorded,
        in_log=frame.recorded_at is not None,
    )


def _events(run: RitualRun, query: QueryDict) -> dict[str, Any]:
    """What a run entered into the log, with what each event moved; oldest first, from a place on."""
    rows = evidence.events_of(run)
    after = parameters.whole(query, "event")
    later = rows.filter(pk__gt=after) if after is not None else rows
    ids = list(later.values_list("pk", flat=True)[: EVENTS_A_PAGE + 1])
    found: Sequence[EvidenceRow] = PromptReputationLedger().events(ids=ids[:EVENTS_A_PAGE])
    return {
        "events": found,
        "events_in_all": rows.count(),
        "moved": _moved(rows),
        "later_events": ids[EVENTS_A_PAGE - 1] if len(ids) > EVENTS_A_PAGE else None,
        "after_event": after,
    }


def _moved(rows: QuerySet[Event]) -> float | None:
    """By how much all of a run's events together moved the prompt's reputation; None where nothing is folded yet."""
    steps = rows.aggregate(moved=Sum(F("effect__trust_after") - F("effect__trust_before")))
    moved: float | None = steps["moved"]
    return moved


def _busy(run: RitualRun) -> RitualRun | None:
    """The run of the same assistant that goes first."""
    return RitualRun.objects.filter(
        assistant=run.assistant_id, state=RitualRun.State.RUNNING
    ).first()


def _estimate(score: float | None, size: float | None) -> Estimate | None:
    return results.of_score(score, cases=size) if score is not None and size else None
