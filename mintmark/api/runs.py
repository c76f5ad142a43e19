"""`/runs`: prompts run by assistants under rituals; how far they are, and what came of each case."""

from datetime import datetime
from typing import Annotated, Any, Literal, TypedDict

from django.utils import timezone
from ninja import Query
from pydantic import Field

from mintmark.experiments import perturbations
from mintmark.registry import assistants, prompts, rituals
from mintmark.rituals import runs
from mintmark.rituals.models import CaseRun, RitualRun
from mintmark.rituals.runs import RunProgress

from . import amount_fields, pagination, schemas
from .amount_fields import PriceOrZero, Tokens
from .authentication import AuthenticatedRequest
from .endpoints import Routes
from .request_body import MAX_ID, Id, Reference, RequestBody
from .responses import WriteResult
from .schemas import Score

routes = Routes(tag="runs")

RunState = Literal["queued", "running", "done", "incomplete", "cancelled"]
CaseState = Literal["waiting", "calling", "done", "failed"]


class RunOut(TypedDict):
    """A run: `score` is that of the plain frame, once all of its cases have a result. `lost` is the most that calls may
    have cost whose reply never came; amounts are in `currency`."""

    id: int
    state: RunState
    reason: str
    ritual: schemas.RitualRef
    prompt: schemas.PromptRef
    assistant: schemas.AssistantRef
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


class DreamframeOut(TypedDict):
    """One context of a run: frame 0 is the plain one. `recorded` says what became of it as evidence."""

    number: int
    seed: int
    temperature: float
    description: str
    score: Score | None
    recorded: str


class RunDetail(RunOut):
    frame_scores: list[DreamframeOut]


class RunPage(TypedDict):
    items: list[RunOut]
    next_cursor: str | None


class CaseRunOut(TypedDict):
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
    error_message: str
    finished_at: datetime | None
    forgotten_at: datetime | None


class CaseRunPage(TypedDict):
    items: list[CaseRunOut]
    next_cursor: str | None


class NewRun(RequestBody):
    """A prompt to run with an assistant under a ritual: a plain frame, and so many perturbed ones."""

    ritual: Id | Reference
    prompt: Id | Reference
    assistant: Id | Reference
    frames: Annotated[int, Field(ge=0, le=perturbations.MAX_FRAMES)] = 0
    seed: Annotated[int, Field(ge=0, le=perturbations.MAX_SEED)] = 0
    cost_cap: PriceOrZero | None = None


class ResumeRun(RequestBody):
    """How a run goes on: with another cap, or (null) with the one that it had."""

    cost_cap: PriceOrZero | None


@routes.get("/runs", scope="read", response_schema=RunPage, error_statuses=(400,))
def list_runs(
    request: AuthenticatedRequest,
    limit: pagination.Limit,
    cursor: pagination.Cursor,
    assistant: Annotated[int | None, Query(None, ge=1, le=MAX_ID)],
    prompt: Annotated[int | None, Query(None, ge=1, le=MAX_ID)],
    ritual: Annotated[int | None, Query(None, ge=1, le=MAX_ID)],
    state: Annotated[RunState | None, Query(None)],
) -> RunPage:
    """List the runs of the caller's teams' assistants, newest first; an admin sees all."""
    rows = runs.visible_to(caller=request.auth)
    filters = {"assistant": assistant, "prompt": prompt, "ritual": ritual, "state": state}
    rows = rows.filter(**{name: value for name, value in filters.items() if value is not None})
    page, next_cursor = pagination.paginate_by_id(rows, limit=limit, cursor=cursor)
    progress_by_run = runs.get_progress_by_run(page)
    return {
        "items": [_serialize(row, progress_by_run[row.pk]) for row in page],
        "next_cursor": next_cursor,
    }


@routes.get("/runs/{int:run_id}", scope="read", response_schema=RunDetail)
def get_run(request: AuthenticatedRequest, run_id: Id) -> RunDetail:
    """Show how far a run is, and its frames: to the assistant's team."""
    return _serialize_detail(runs.get_run(caller=request.auth, pk=run_id))


@routes.get(
    "/runs/{int:run_id}/cases", scope="read", response_schema=CaseRunPage, error_statuses=(400,)
)
def list_run_cases(
    request: AuthenticatedRequest,
    run_id: Id,
    limit: pagination.Limit,
    cursor: pagination.Cursor,
    frame: Annotated[int | None, Query(None, ge=0, le=perturbations.MAX_FRAMES)],
    state: Annotated[CaseState | None, Query(None)],
) -> CaseRunPage:
    """List the cases of a run by frame, in the ritual's order: to the assistant's team."""
    rows = CaseRun.objects.filter(run=runs.get_run(caller=request.auth, pk=run_id)).order_by("id")
    if frame is not None:
        rows = rows.filter(frame=frame)
    if state is not None:
        rows = rows.filter(state=state)
    after = pagination.decode_cursor(cursor, key_types=(0,))
    if after is not None:
        rows = rows.filter(id__gt=after[0])
    page, next_cursor = pagination.slice_page(
        list(rows[: limit + 1]), limit=limit, key=lambda row: (row.pk,)
    )
    return {"items": [_serialize_case(row) for row in page], "next_cursor": next_cursor}


@routes.post(
    "/runs",
    scope="evidence",
    body=NewRun,
    response_schema=RunDetail,
    requires_key=True,
    error_statuses=(404,),
)
def start_run(request: AuthenticatedRequest, body: NewRun, key: str) -> WriteResult[RunDetail]:
    """Have a worker run a prompt with an assistant under a ritual.

    It takes a person who operates the assistant's team; what is measured is recorded in their name. `cost_cap` can only
    lower the runner's own. The same `Idempotency-Key` again is the same run.
    """
    now = timezone.now()
    row = runs.start(
        caller=request.auth,
        prompt=prompts.resolve(reference=str(body.prompt)),
        assistant=assistants.resolve(reference=str(body.assistant)),
        ritual=rituals.resolve(reference=str(body.ritual)),
        now=now,
        frames=body.frames,
        seed=body.seed,
        cost_cap_micro=amount_fields.parse_optional_price(body.cost_cap),
        idempotency_key=key,
    )
    return WriteResult(
        body=_serialize_detail(row),
        location=f"/api/v1/runs/{row.pk}",
        is_replay=row.created_at != now,
    )


@routes.post("/runs/{int:run_id}/cancel", scope="evidence", response_schema=RunDetail, status=200)
def cancel_run(request: AuthenticatedRequest, run_id: Id) -> WriteResult[RunDetail]:
    """Cancel a run at once: no further call starts, calls in progress are aborted, completed cases stay. A run that has
    ended does not change."""
    row = runs.cancel(
        caller=request.auth, run=runs.get_run(caller=request.auth, pk=run_id), now=timezone.now()
    )
    return WriteResult(body=_serialize_detail(row), location="")


@routes.idempotent_post(
    "/runs/{int:run_id}/resume", scope="evidence", body=ResumeRun, response_schema=RunDetail
)
def resume_run(request: AuthenticatedRequest, run_id: Id, body: ResumeRun) -> RunDetail:
    """Resume a run that stopped early: completed cases are not repeated, failed ones are."""
    row = runs.resume(
        caller=request.auth,
        run=runs.get_run(caller=request.auth, pk=run_id),
        now=timezone.now(),
        cost_cap_micro=amount_fields.parse_optional_price(body.cost_cap),
    )
    return _serialize_detail(row)


def _serialize_detail(row: RitualRun) -> RunDetail:
    frames = []
    for frame in row.frames.order_by("number"):
        perturbation = perturbations.from_json(frame.context)
        frames.append(
            DreamframeOut(
                number=frame.number,
                seed=perturbation.seed,
                temperature=perturbation.temperature,
                description=perturbation.describe(),
                score=frame.score,
                recorded=frame.recorded,
            )
        )
    return {**_serialize(row, runs.get_progress(row)), "frame_scores": frames}


def _serialize(row: RitualRun, progress: RunProgress) -> RunOut:
    ritual = row.ritual
    return {
        "id": row.pk,
        "state": progress.state,  # type: ignore[typeddict-item]  # one of the five
        "reason": progress.reason,
        "ritual": {"id": ritual.pk, "name": ritual.name, "version": ritual.version},
        "prompt": schemas.serialize_prompt_ref(row.prompt),
        "assistant": schemas.serialize_assistant_ref(row.assistant),
        "runner": row.runner_kind,
        "model": row.model,
        "started_by": row.started_by.name,
        "seed": row.seed,
        "frames": progress.frames,
        "cases": progress.cases,
        "done": progress.done,
        "failed": progress.failed,
        "score": progress.score,
        "spent": amount_fields.format_tokens(progress.spent_micro),
        "lost": amount_fields.format_tokens(progress.lost_micro),
        "cost_cap": None
        if progress.cost_cap_micro is None
        else amount_fields.format_tokens(progress.cost_cap_micro),
        "currency": progress.currency,
        "created_at": row.created_at,
        "started_at": row.started_at,
        "ended_at": row.ended_at,
    }


def _serialize_case(row: CaseRun) -> CaseRunOut:
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
        "cost": amount_fields.format_tokens(row.cost_micro),
        "latency_ms": row.latency_ms,
        "error": row.error,
        "error_message": row.error_says,
        "finished_at": row.finished_at,
        "forgotten_at": row.forgotten_at,
    }
