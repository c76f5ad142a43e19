"""`/runs`: prompts run by assistants under rituals; how far they are, and what came of each case."""

from datetime import datetime
from typing import Annotated, Any, Literal, TypedDict

from django.utils import timezone
from ninja import Query
from pydantic import Field

from mintmark.core import perturbations
from mintmark.registry import assistants, prompts, rituals
from mintmark.rituals import runs
from mintmark.rituals.models import CaseRun, RitualRun
from mintmark.rituals.runs import Progress

from . import amounts, paging, shapes
from .amounts import Limit, Tokens
from .answers import Created
from .bodies import MAX_ID, Body, Id, Reference
from .credentials import Request
from .routes import Routes
from .shapes import Score

routes = Routes(tag="runs")

State = Literal["queued", "running", "done", "incomplete", "cancelled"]
CaseState = Literal["waiting", "calling", "done", "failed"]


class RunShape(TypedDict):
    """A run: `score` is that of the plain frame, once all of its cases have a result. `lost` is the most that calls may
    have cost whose reply never came; amounts are in `currency`."""

    id: int
    state: State
    reason: str
    ritual: shapes.RitualNamed
    prompt: shapes.PromptNamed
    assistant: shapes.Named
    runner: str
    model: str
    started_by: str
    seed: int
    frames: int
    cases: int
    done: int
    failed: int
    score: Score | None
    spent: Tokens
    lost: Tokens
    cost_cap: Tokens | None
    currency: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class FrameShape(TypedDict):
    """One context of a run: frame 0 is the plain one. `recorded` says what became of it as evidence."""

    number: int
    seed: int
    temperature: float
    says: str
    score: Score | None
    recorded: str


class RunDetail(RunShape):
    frame_scores: list[FrameShape]


class RunPage(TypedDict):
    items: list[RunShape]
    next_cursor: str | None


class CaseShape(TypedDict):
    """A case in a frame: how its output was judged, what it cost, and why it failed where it did. `output` is redacted
    and cut; it is empty, with `forgotten_at`, once its time is over."""

    frame: int
    number: int
    case: str
    weight: float
    state: CaseState
    score: Score | None
    passed: bool | None
    output: str
    assertions: list[dict[str, Any]]
    clauses: list[dict[str, Any]]
    recall: list[dict[str, Any]]
    attempts: int
    tokens_in: int
    tokens_out: int
    cost: Tokens
    latency_ms: float | None
    error: str
    error_says: str
    finished_at: datetime | None
    forgotten_at: datetime | None


class CasePage(TypedDict):
    items: list[CaseShape]
    next_cursor: str | None


class NewRun(Body):
    """A prompt to run with an assistant under a ritual: a plain frame, and so many perturbed ones."""

    ritual: Id | Reference
    prompt: Id | Reference
    assistant: Id | Reference
    frames: Annotated[int, Field(ge=0, le=perturbations.MOST_FRAMES)] = 0
    seed: Annotated[int, Field(ge=0, le=perturbations.MOST_SEED)] = 0
    cost_cap: Limit | None = None


class Going(Body):
    """How a run goes on: with another cap, or (null) with the one that it had."""

    cost_cap: Limit | None


@routes.get("/runs", scope="read", answer=RunPage, refuses=(400,))
def listed(
    request: Request,
    limit: paging.Limit,
    cursor: paging.Cursor,
    assistant: Annotated[int | None, Query(None, ge=1, le=MAX_ID)],
    prompt: Annotated[int | None, Query(None, ge=1, le=MAX_ID)],
    ritual: Annotated[int | None, Query(None, ge=1, le=MAX_ID)],
    state: Annotated[State | None, Query(None)],
) -> RunPage:
    """List the runs of the caller's teams' assistants, newest first; an admin sees all."""
    rows = runs.visible_to(caller=request.auth)
    narrowed = {"assistant": assistant, "prompt": prompt, "ritual": ritual, "state": state}
    rows = rows.filter(**{name: value for name, value in narrowed.items() if value is not None})
    page, following = paging.newest(rows, limit=limit, cursor=cursor)
    told = runs.progress_of(page)
    return {"items": [_shape(row, told[row.pk]) for row in page], "next_cursor": following}


@routes.get("/runs/{int:run_id}", scope="read", answer=RunDetail)
def shown(request: Request, run_id: Id) -> RunDetail:
    """Show how far a run is, and its frames: to the assistant's team."""
    return _detail(runs.named(caller=request.auth, pk=run_id))


@routes.get("/runs/{int:run_id}/cases", scope="read", answer=CasePage, refuses=(400,))
def cases(
    request: Request,
    run_id: Id,
    limit: paging.Limit,
    cursor: paging.Cursor,
    frame: Annotated[int | None, Query(None, ge=0, le=perturbations.MOST_FRAMES)],
    state: Annotated[CaseState | None, Query(None)],
) -> CasePage:
    """List the cases of a run by frame, in the ritual's order: to the assistant's team."""
    rows = CaseRun.objects.filter(run=runs.named(caller=request.auth, pk=run_id)).order_by("id")
    if frame is not None:
        rows = rows.filter(frame=frame)
    if state is not None:
        rows = rows.filter(state=state)
    after = paging.read(cursor, like=(0,))
    if after is not None:
        rows = rows.filter(id__gt=after[0])
    page, following = paging.cut(list(rows[: limit + 1]), limit=limit, key=lambda row: (row.pk,))
    return {"items": [_case(row) for row in page], "next_cursor": following}


@routes.post("/runs", scope="evidence", body=NewRun, answer=RunDetail, keyed=True, refuses=(404,))
def started(request: Request, body: NewRun, key: str) -> Created[RunDetail]:
    """Have a worker run a prompt with an assistant under a ritual.

    It takes a person who operates the assistant's team; what is measured is recorded in his name. `cost_cap` can only
    lower the runner's own. The same `Idempotency-Key` again is the same run.
    """
    now = timezone.now()
    row = runs.start(
        caller=request.auth,
        prompt=prompts.named(reference=str(body.prompt)),
        assistant=assistants.named(reference=str(body.assistant)),
        ritual=rituals.named(reference=str(body.ritual)),
        now=now,
        frames=body.frames,
        seed=body.seed,
        cost_cap_micro=amounts.capped(body.cost_cap),
        key=key,
    )
    return Created(
        body=_detail(row), location=f"/api/v1/runs/{row.pk}", is_replay=row.created_at != now
    )


@routes.post("/runs/{int:run_id}/cancel", scope="evidence", answer=RunDetail, status=200)
def cancelled(request: Request, run_id: Id) -> Created[RunDetail]:
    """End a run at once: no further call begins, calls under way are broken off, what is done stays. One that has ended
    stays as it is."""
    row = runs.cancel(
        caller=request.auth, run=runs.named(caller=request.auth, pk=run_id), now=timezone.now()
    )
    return Created(body=_detail(row), location="")


@routes.act("/runs/{int:run_id}/resume", scope="evidence", body=Going, answer=RunDetail)
def resumed(request: Request, run_id: Id, body: Going) -> RunDetail:
    """Have a worker go on with a run that stopped short: what is done is not asked again, what failed is."""
    row = runs.resume(
        caller=request.auth,
        run=runs.named(caller=request.auth, pk=run_id),
        now=timezone.now(),
        cost_cap_micro=amounts.capped(body.cost_cap),
    )
    return _detail(row)


def _detail(row: RitualRun) -> RunDetail:
    frames = []
    for frame in row.frames.order_by("number"):
        context = perturbations.from_json(frame.context)
        frames.append(
            FrameShape(
                number=frame.number,
                seed=context.seed,
                temperature=context.temperature,
                says=context.says(),
                score=frame.score,
                recorded=frame.recorded,
            )
        )
    return {**_shape(row, runs.progress(row)), "frame_scores": frames}


def _shape(row: RitualRun, told: Progress) -> RunShape:
    ritual = row.ritual
    return {
        "id": row.pk,
        "state": told.state,  # type: ignore[typeddict-item]  # one of the five
        "reason": told.reason,
        "ritual": {"id": ritual.pk, "name": ritual.name, "version": ritual.version},
        "prompt": shapes.prompt(row.prompt),
        "assistant": shapes.assistant(row.assistant),
        "runner": row.runner_kind,
        "model": row.model,
        "started_by": row.started_by.name,
        "seed": row.seed,
        "frames": told.frames,
        "cases": told.cases,
        "done": told.done,
        "failed": told.failed,
        "score": told.score,
        "spent": amounts.shown(told.spent_micro),
        "lost": amounts.shown(told.lost_micro),
        "cost_cap": None if told.cost_cap_micro is None else amounts.shown(told.cost_cap_micro),
        "currency": told.currency,
        "created_at": row.created_at,
        "started_at": row.started_at,
        "ended_at": row.ended_at,
    }


def _case(row: CaseRun) -> CaseShape:
    return {
        "frame": row.frame,
        "number": row.number,
        "case": row.case_id,
        "weight": row.weight,
        "state": row.state,  # type: ignore[typeddict-item]  # one of the four
        "score": row.score,
        "passed": row.passed,
        "output": row.output,
        "assertions": row.assertions,
        "clauses": row.clauses,
        "recall": row.recall,
        "attempts": row.attempts,
        "tokens_in": row.tokens_in,
        "tokens_out": row.tokens_out,
        "cost": amounts.shown(row.cost_micro),
        "latency_ms": row.latency_ms,
        "error": row.error,
        "error_says": row.error_says,
        "finished_at": row.finished_at,
        "forgotten_at": row.forgotten_at,
    }
