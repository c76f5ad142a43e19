"""`/comparisons`: two prompts compared by one assistant on one ritual, pair by pair, by a test that may be watched."""

from datetime import datetime
from typing import Annotated, Literal, TypedDict

from django.utils import timezone
from ninja import Query
from pydantic import Field

from mintmark.experiments import perturbations, sequential_test
from mintmark.experiments.decision import ComparisonResult
from mintmark.registry import assistants, prompts, rituals
from mintmark.rituals import comparisons
from mintmark.rituals.models import Comparison

from . import amount_fields, pagination, schemas
from .amount_fields import PriceOrZero, Tokens
from .authentication import AuthenticatedRequest
from .endpoints import Routes
from .request_body import MAX_ID, Id, Reference, RequestBody
from .responses import WriteResult
from .runs import RunState

routes = Routes(tag="comparisons")

ComparisonDecision = Literal["first", "second", "equal", "open"]
Difference = Annotated[float, Field(description="the first's score less the second's: −1 to 1")]
MAX_SNAPSHOTS = 200


class ComparisonOut(TypedDict):
    """A comparison, and what its pairs say so far. `mean` estimates the difference; `low` to `high` holds it with a
    chance of 1 − `alpha` at all looks together. `evidence` is what a bet of 1 on a difference has won, `p_value` the
    smallest `alpha` at which one would have been called better. `until_better`, `until_equal`: pairs that it likely
    takes from here; null where that is not in sight. What is measured here is no evidence in the log."""

    id: int
    state: RunState
    reason: str
    decision: ComparisonDecision
    consistent: bool
    ritual: schemas.RitualRef
    first: schemas.PromptRef
    second: schemas.PromptRef
    assistant: schemas.AssistantRef
    runner: str
    model: str
    started_by: str
    seed: int
    alpha: float
    margin: float
    pairs: int
    most_pairs: int
    mean: Difference
    low: Difference
    high: Difference
    evidence: float
    p_value: float
    until_better: int | None
    until_equal: int | None
    spent: Tokens
    lost: Tokens
    cost_cap: Tokens | None
    currency: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class CaseDifferenceOut(TypedDict):
    """What the pairs of one case showed; `mean` is null before it was drawn."""

    case: str
    weight: float
    pairs: int
    mean: Difference | None


class ComparisonSnapshotOut(TypedDict):
    """What it said after so many pairs."""

    pairs: int
    mean: Difference
    low: Difference
    high: Difference


class ComparisonDetail(ComparisonOut):
    """With its cases, the pairs that were drawn, the halves that failed, and what it said on the way."""

    drawn: int
    failed: int
    cases: list[CaseDifferenceOut]
    looks: list[ComparisonSnapshotOut]


class ComparisonPage(TypedDict):
    items: list[ComparisonOut]
    next_cursor: str | None


class NewComparison(RequestBody):
    """Two prompts to compare. One is called better that is not with a chance of `alpha` at most; a difference of no
    more than `margin` counts as equal; after `most_pairs` it ends undecided."""

    ritual: Id | Reference
    first: Id | Reference
    second: Id | Reference
    assistant: Id | Reference
    alpha: Annotated[float, Field(ge=0.0001, le=0.5)] = sequential_test.ALPHA
    margin: Annotated[float, Field(ge=0.01, le=0.5)] = sequential_test.MARGIN
    most_pairs: Annotated[int, Field(ge=1, le=comparisons.MAX_PAIRS)] = comparisons.DEFAULT_PAIRS
    seed: Annotated[int, Field(ge=0, le=perturbations.MAX_SEED)] = 0
    cost_cap: PriceOrZero | None = None


class ResumeComparison(RequestBody):
    """How a comparison goes on: with more pairs, with another cap, or (null) with what it had."""

    most_pairs: Annotated[int, Field(ge=1, le=comparisons.MAX_PAIRS)] | None
    cost_cap: PriceOrZero | None


@routes.get("/comparisons", scope="read", response_schema=ComparisonPage, error_statuses=(400,))
def list_comparisons(
    request: AuthenticatedRequest,
    limit: pagination.Limit,
    cursor: pagination.Cursor,
    assistant: Annotated[int | None, Query(None, ge=1, le=MAX_ID)],
    ritual: Annotated[int | None, Query(None, ge=1, le=MAX_ID)],
    state: Annotated[RunState | None, Query(None)],
    decision: Annotated[ComparisonDecision | None, Query(None)],
) -> ComparisonPage:
    """List the comparisons by the caller's teams' assistants, newest first; an admin sees all."""
    rows = comparisons.visible_to(caller=request.auth)
    filters = {"assistant": assistant, "ritual": ritual, "state": state, "decision": decision}
    rows = rows.filter(**{name: value for name, value in filters.items() if value is not None})
    page, next_cursor = pagination.paginate_by_id(rows, limit=limit, cursor=cursor)
    return {
        "items": [_serialize(row, comparisons.get_current_result(row)) for row in page],
        "next_cursor": next_cursor,
    }


@routes.get("/comparisons/{int:comparison_id}", scope="read", response_schema=ComparisonDetail)
def get_comparison(request: AuthenticatedRequest, comparison_id: Id) -> ComparisonDetail:
    """Show the current result of a comparison, which may be read at any time: to the assistant's team."""
    return _serialize_detail(comparisons.get_comparison(caller=request.auth, pk=comparison_id))


@routes.post(
    "/comparisons",
    scope="evidence",
    body=NewComparison,
    response_schema=ComparisonDetail,
    requires_key=True,
    error_statuses=(404,),
)
def start_comparison(
    request: AuthenticatedRequest, body: NewComparison, key: str
) -> WriteResult[ComparisonDetail]:
    """Start a comparison of two prompts, until one is better, both are equal within the margin, or the pairs are used
    up.

    It takes a person who operates the assistant's team. `cost_cap` can only lower the runner's own. The same
    `Idempotency-Key` again is the same comparison.
    """
    now = timezone.now()
    row = comparisons.start(
        caller=request.auth,
        first=prompts.resolve(reference=str(body.first)),
        second=prompts.resolve(reference=str(body.second)),
        assistant=assistants.resolve(reference=str(body.assistant)),
        ritual=rituals.resolve(reference=str(body.ritual)),
        alpha=body.alpha,
        margin=body.margin,
        most_pairs=body.most_pairs,
        seed=body.seed,
        cost_cap_micro=amount_fields.parse_optional_price(body.cost_cap),
        idempotency_key=key,
        now=now,
    )
    return WriteResult(
        body=_serialize_detail(row),
        location=f"/api/v1/comparisons/{row.pk}",
        is_replay=row.created_at != now,
    )


@routes.post(
    "/comparisons/{int:comparison_id}/stop",
    scope="evidence",
    response_schema=ComparisonDetail,
    status=200,
)
def stop_comparison(
    request: AuthenticatedRequest, comparison_id: Id
) -> WriteResult[ComparisonDetail]:
    """Stop a comparison at once; its result stays valid. A comparison that has ended does not change."""
    row = comparisons.stop(
        caller=request.auth,
        comparison=comparisons.get_comparison(caller=request.auth, pk=comparison_id),
        now=timezone.now(),
    )
    return WriteResult(body=_serialize_detail(row), location="")


@routes.idempotent_post(
    "/comparisons/{int:comparison_id}/resume",
    scope="evidence",
    body=ResumeComparison,
    response_schema=ComparisonDetail,
)
def resume_comparison(
    request: AuthenticatedRequest, comparison_id: Id, body: ResumeComparison
) -> ComparisonDetail:
    """Resume a comparison that stopped early, or (with more `most_pairs`) that used up its pairs undecided: completed
    cases are not repeated, failed ones are."""
    row = comparisons.resume(
        caller=request.auth,
        comparison=comparisons.get_comparison(caller=request.auth, pk=comparison_id),
        cost_cap_micro=amount_fields.parse_optional_price(body.cost_cap),
        most_pairs=body.most_pairs,
    )
    return _serialize_detail(row)


def _serialize_detail(row: Comparison) -> ComparisonDetail:
    progress = comparisons.get_progress(row)
    snapshots = comparisons.list_snapshots(row, max_snapshots=MAX_SNAPSHOTS)
    return {
        **_serialize(row, progress.result),
        "drawn": progress.pairs_drawn,
        "failed": progress.failed,
        "cases": [
            {"case": case.case, "weight": case.weight, "pairs": case.pairs, "mean": case.mean}
            for case in progress.cases
        ],
        "looks": [
            {
                "pairs": snapshot.pairs,
                "mean": snapshot.mean,
                "low": snapshot.low,
                "high": snapshot.high,
            }
            for snapshot in snapshots
        ],
    }


def _serialize(row: Comparison, result: ComparisonResult) -> ComparisonOut:
    return {
        "id": row.pk,
        "state": row.state,  # type: ignore[typeddict-item]  # one of the five
        "reason": row.reason,
        "decision": result.decision.value,
        "consistent": result.consistent,
        "ritual": {"id": row.ritual.pk, "name": row.ritual.name, "version": row.ritual.version},
        "first": schemas.serialize_prompt_ref(row.first),
        "second": schemas.serialize_prompt_ref(row.second),
        "assistant": schemas.serialize_assistant_ref(row.assistant),
        "runner": row.runner_kind,
        "model": row.model,
        "started_by": row.started_by.name,
        "seed": row.seed,
        "alpha": row.alpha,
        "margin": row.margin,
        "pairs": result.pairs,
        "most_pairs": row.most_pairs,
        "mean": result.mean,
        "low": result.low,
        "high": result.high,
        "evidence": result.evidence,
        "p_value": result.p_value,
        "until_better": result.until_better,
        "until_equal": result.until_equal,
        "spent": amount_fields.format_tokens(row.spent_micro),
        "lost": amount_fields.format_tokens(row.lost_micro),
        "cost_cap": None
        if row.cost_cap_micro is None
        else amount_fields.format_tokens(row.cost_cap_micro),
        "currency": row.currency,
        "created_at": row.created_at,
        "started_at": row.started_at,
        "ended_at": row.ended_at,
    }
