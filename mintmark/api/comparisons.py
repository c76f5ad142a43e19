"""`/comparisons`: two prompts compared by one assistant on one ritual, pair by pair, by a test that may be watched."""

from datetime import datetime
from typing import Annotated, Literal, TypedDict

from django.utils import timezone
from ninja import Query
from pydantic import Field

from mintmark.core import perturbations, sequential
from mintmark.core.verdicts import Verdict
from mintmark.registry import assistants, prompts, rituals
from mintmark.rituals import comparisons
from mintmark.rituals.models import Comparison

from . import amounts, paging, shapes
from .amounts import Limit, Tokens
from .answers import Created
from .bodies import MAX_ID, Body, Id, Reference
from .credentials import Request
from .routes import Routes
from .runs import State

routes = Routes(tag="comparisons")

Said = Literal["first", "second", "equal", "open"]
Difference = Annotated[float, Field(description="the first's score less the second's: −1 to 1")]
MOST_LOOKS = 200


class ComparisonShape(TypedDict):
    """A comparison, and what its pairs say so far. `mean` estimates the difference; `low` to `high` holds it with a
    chance of 1 − `alpha` at all looks together. `evidence` is what a bet of 1 on a difference has won, `p_value` the
    smallest `alpha` at which one would have been called better. `until_better`, `until_equal`: pairs that it likely
    takes from here; null where that is not in sight. What is measured here is no evidence in the log."""

    id: int
    state: State
    reason: str
    decision: Said
    consistent: bool
    ritual: shapes.RitualNamed
    first: shapes.PromptNamed
    second: shapes.PromptNamed
    assistant: shapes.Named
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


class OfCase(TypedDict):
    """What the pairs of one case showed; `mean` is null before it was drawn."""

    case: str
    weight: float
    pairs: int
    mean: Difference | None


class LookShape(TypedDict):
    """What it said after so many pairs."""

    pairs: int
    mean: Difference
    low: Difference
    high: Difference


class ComparisonDetail(ComparisonShape):
    """With its cases, the pairs that were drawn, the halves that failed, and what it said on the way."""

    drawn: int
    failed: int
    cases: list[OfCase]
    looks: list[LookShape]


class ComparisonPage(TypedDict):
    items: list[ComparisonShape]
    next_cursor: str | None


class NewComparison(Body):
    """Two prompts to compare. One is called better that is not with a chance of `alpha` at most; a difference of no
    more than `margin` counts as equal; after `most_pairs` it ends undecided."""

    ritual: Id | Reference
    first: Id | Reference
    second: Id | Reference
    assistant: Id | Reference
    alpha: Annotated[float, Field(ge=0.0001, le=0.5)] = sequential.ALPHA
    margin: Annotated[float, Field(ge=0.01, le=0.5)] = sequential.MARGIN
    most_pairs: Annotated[int, Field(ge=1, le=comparisons.MOST_PAIRS)] = comparisons.USUAL_PAIRS
    seed: Annotated[int, Field(ge=0, le=perturbations.MOST_SEED)] = 0
    cost_cap: Limit | None = None


class Further(Body):
    """How a comparison goes on: with more pairs, with another cap, or (null) with what it had."""

    most_pairs: Annotated[int, Field(ge=1, le=comparisons.MOST_PAIRS)] | None
    cost_cap: Limit | None


@routes.get("/comparisons", scope="read", answer=ComparisonPage, refuses=(400,))
def listed(
    request: Request,
    limit: paging.Limit,
    cursor: paging.Cursor,
    assistant: Annotated[int | None, Query(None, ge=1, le=MAX_ID)],
    ritual: Annotated[int | None, Query(None, ge=1, le=MAX_ID)],
    state: Annotated[State | None, Query(None)],
    decision: Annotated[Said | None, Query(None)],
) -> ComparisonPage:
    """List the comparisons by the caller's teams' assistants, newest first; an admin sees all."""
    rows = comparisons.visible_to(caller=request.auth)
    narrowed = {"assistant": assistant, "ritual": ritual, "state": state, "decision": decision}
    rows = rows.filter(**{name: value for name, value in narrowed.items() if value is not None})
    page, following = paging.newest(rows, limit=limit, cursor=cursor)
    return {
        "items": [_shape(row, comparisons.standing(row)) for row in page],
        "next_cursor": following,
    }


@routes.get("/comparisons/{int:comparison_id}", scope="read", answer=ComparisonDetail)
def shown(request: Request, comparison_id: Id) -> ComparisonDetail:
    """Show what a comparison says now, as often as one likes: to the assistant's team."""
    return _detail(comparisons.named(caller=request.auth, pk=comparison_id))


@routes.post(
    "/comparisons",
    scope="evidence",
    body=NewComparison,
    answer=ComparisonDetail,
    keyed=True,
    refuses=(404,),
)
def started(request: Request, body: NewComparison, key: str) -> Created[ComparisonDetail]:
    """Have a worker compare two prompts, until one is better, both are equal within the margin, or the pairs are used
    up.

    It takes a person who operates the assistant's team. `cost_cap` can only lower the runner's own. The same
    `Idempotency-Key` again is the same comparison.
    """
    now = timezone.now()
    row = comparisons.start(
        caller=request.auth,
        first=prompts.named(reference=str(body.first)),
        second=prompts.named(reference=str(body.second)),
        assistant=assistants.named(reference=str(body.assistant)),
        ritual=rituals.named(reference=str(body.ritual)),
        alpha=body.alpha,
        margin=body.margin,
        most_pairs=body.most_pairs,
        seed=body.seed,
        cost_cap_micro=amounts.capped(body.cost_cap),
        key=key,
        now=now,
    )
    return Created(
        body=_detail(row),
        location=f"/api/v1/comparisons/{row.pk}",
        is_replay=row.created_at != now,
    )


@routes.post(
    "/comparisons/{int:comparison_id}/stop", scope="evidence", answer=ComparisonDetail, status=200
)
def stopped(request: Request, comparison_id: Id) -> Created[ComparisonDetail]:
    """End a comparison at once; what it says stays true. One that has ended stays as it is."""
    row = comparisons.stop(
        caller=request.auth,
        comparison=comparisons.named(caller=request.auth, pk=comparison_id),
        now=timezone.now(),
    )
    return Created(body=_detail(row), location="")


@routes.act(
    "/comparisons/{int:comparison_id}/resume",
    scope="evidence",
    body=Further,
    answer=ComparisonDetail,
)
def resumed(request: Request, comparison_id: Id, body: Further) -> ComparisonDetail:
    """Have a worker go on with a comparison that stopped short, or (with more `most_pairs`) that used up its pairs
    undecided: what is done is not asked again, what failed is."""
    row = comparisons.resume(
        caller=request.auth,
        comparison=comparisons.named(caller=request.auth, pk=comparison_id),
        cost_cap_micro=amounts.capped(body.cost_cap),
        most_pairs=body.most_pairs,
    )
    return _detail(row)


def _detail(row: Comparison) -> ComparisonDetail:
    told = comparisons.told(row)
    looks = comparisons.trail(row, most=MOST_LOOKS)
    return {
        **_shape(row, told.verdict),
        "drawn": told.drawn,
        "failed": told.failed,
        "cases": [
            {"case": one.case, "weight": one.weight, "pairs": one.pairs, "mean": one.mean}
            for one in told.cases
        ],
        "looks": [
            {"pairs": look.pairs, "mean": look.mean, "low": look.low, "high": look.high}
            for look in looks
        ],
    }


def _shape(row: Comparison, said: Verdict) -> ComparisonShape:
    return {
        "id": row.pk,
        "state": row.state,  # type: ignore[typeddict-item]  # one of the five
        "reason": row.reason,
        "decision": said.decision.value,
        "consistent": said.consistent,
        "ritual": {"id": row.ritual.pk, "name": row.ritual.name, "version": row.ritual.version},
        "first": shapes.prompt(row.first),
        "second": shapes.prompt(row.second),
        "assistant": shapes.assistant(row.assistant),
        "runner": row.runner_kind,
        "model": row.model,
        "started_by": row.started_by.name,
        "seed": row.seed,
        "alpha": row.alpha,
        "margin": row.margin,
        "pairs": said.pairs,
        "most_pairs": row.most_pairs,
        "mean": said.mean,
        "low": said.low,
        "high": said.high,
        "evidence": said.evidence,
        "p_value": said.p_value,
        "until_better": said.until_better,
        "until_equal": said.until_equal,
        "spent": amounts.shown(row.spent_micro),
        "lost": amounts.shown(row.lost_micro),
        "cost_cap": None if row.cost_cap_micro is None else amounts.shown(row.cost_cap_micro),
        "currency": row.currency,
        "created_at": row.created_at,
        "started_at": row.started_at,
        "ended_at": row.ended_at,
    }
