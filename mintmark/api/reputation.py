"""`/prompts/{id}/reputation`, its history, evidence and lineage: what a prompt's score is and where it comes from."""

from datetime import datetime
from typing import Annotated, TypedDict

from ninja import Query

from mintmark.core import kinds
from mintmark.registry.models import Prompt, Ritual
from mintmark.reputation import answers
from mintmark.reputation.ledger import PromptReputationLedger

from . import clock, evidence, lookups, paging, shapes
from .bodies import MAX_ID, Id
from .credentials import Request
from .routes import Routes
from .shapes import AsOf, EstimateShape, Policy, Score

routes = Routes(tag="reputation")


class ContributionShape(TypedDict):
    """One term of a trust score: `amount` in points of score, the effective `runs` it counts for, the raw `counted`
    runs or opinions, the `inherited` part of `runs`. Amounts add up to the score."""

    source: str
    label: str
    amount: float
    runs: float
    counted: float
    inherited: float


class RatingShape(TypedDict):
    """Live ratings: their plain mean, their mean by raters' records, their number."""

    raw: float | None
    weighted: float | None
    count: int


class ReputationShape(TypedDict):
    """A prompt's reputation, taken apart. `bound` is the lower 10% bound, by which prompts rank in a home ritual."""

    as_of: AsOf
    as_of_time: datetime | None
    policy: Policy
    prompt: shapes.PromptNamed
    home: shapes.RitualNamed | None
    trust: EstimateShape
    bound: Score
    rank: int | None
    ranked: int
    effectiveness: EstimateShape
    approval: EstimateShape
    contributions: list[ContributionShape]
    rating: RatingShape
    rating_tags: dict[str, int]
    inherited_from: shapes.PromptNamed | None


class SnapshotShape(TypedDict):
    """The scores right after one recorded batch."""

    at: datetime
    trust: Score
    low: Score
    high: Score
    effectiveness: Score
    approval: Score
    event: int
    policy: int


class HistoryShape(TypedDict):
    """The newest snapshots, oldest of them first."""

    as_of: AsOf
    policy: Policy
    items: list[SnapshotShape]


class EventPage(TypedDict):
    as_of: AsOf
    policy: Policy
    items: list[evidence.EventShape]
    next_cursor: str | None


class RelativeShape(TypedDict):
    """A member of the family with its trust."""

    prompt: shapes.PromptNamed
    trust: EstimateShape
    is_self: bool


class StandingShape(TypedDict):
    """Where a prompt stands as of its last event; `bound` is what prompts rank by, within their home ritual."""

    prompt: shapes.PromptNamed
    home: shapes.RitualNamed | None
    trust: Score
    low: Score
    high: Score
    bound: Score
    effectiveness: Score
    approval: Score
    runs: float
    events: int
    event: int


class StandingPage(TypedDict):
    as_of: AsOf
    policy: Policy
    items: list[StandingShape]
    next_cursor: str | None


class DerivationShape(TypedDict):
    """A derivation; `gain` is the child's mean lift over its parent in the same hands, null where nobody ran both."""

    parent: int
    child: int
    derivation: str
    note: str
    gain: EstimateShape | None


class LineageShape(TypedDict):
    as_of: AsOf
    policy: Policy
    nodes: list[RelativeShape]
    edges: list[DerivationShape]


class GainShape(TypedDict):
    """Child less parent in `score`, in [−1, 1] (0.04 = four points), with its 90% interval; `runs` is what the
    comparison is worth, n·n'/(n + n') over the rituals that both ran on."""

    score: float
    low: float
    high: float
    runs: float


class AssistantGainShape(TypedDict):
    """What the edit gained or, below 0, cost an assistant; `mine`: it is one of the caller's teams'."""

    assistant: shapes.Named
    gain: GainShape
    mine: bool


class GainsShape(TypedDict):
    """A prompt compared with its `parent` (null where it has none) on the same assistants and rituals. `overall` is
    null where no assistant ran both; `items` are those that did, the largest differences first."""

    as_of: AsOf
    policy: Policy
    prompt: shapes.PromptNamed
    parent: shapes.PromptNamed | None
    overall: GainShape | None
    items: list[AssistantGainShape]
    next_cursor: str | None


@routes.get("/prompts/{int:prompt_id}/reputation", scope="read", answer=ReputationShape)
def shown(request: Request, prompt_id: Id) -> ReputationShape:
    """Show a prompt's reputation: score, interval, rank, and the contributions that add up to the score."""
    told = PromptReputationLedger().reputation(prompt=_prompt(prompt_id), now=clock.reading())
    return {
        "as_of": told.as_of,
        "as_of_time": told.as_of_time,
        "policy": told.policy,
        "prompt": shapes.prompt(told.prompt),
        "home": shapes.ritual(told.home),
        "trust": shapes.estimate(told.trust),
        "bound": told.bound,
        "rank": told.rank,
        "ranked": told.ranked,
        "effectiveness": shapes.estimate(told.effectiveness),
        "approval": shapes.estimate(told.approval),
        "contributions": [
            {
                "source": term.source,
                "label": term.label,
                "amount": term.amount,
                "runs": term.runs,
                "counted": term.counted,
                "inherited": term.inherited,
            }
            for term in told.contributions
        ],
        "rating": {
            "raw": told.rating.raw,
            "weighted": told.rating.weighted,
            "count": told.rating.count,
        },
        "rating_tags": dict(told.rating_tags),
        "inherited_from": (
            shapes.prompt(told.inherited_from) if told.inherited_from is not None else None
        ),
    }


@routes.get("/prompts/{int:prompt_id}/history", scope="read", answer=HistoryShape)
def history(
    request: Request,
    prompt_id: Id,
    limit: Annotated[int, Query(500, ge=1, le=5_000, description="snapshots at most")],
) -> HistoryShape:
    """Show how a prompt's scores got where they are: one snapshot for each batch that concerned it."""
    rows = PromptReputationLedger().history(prompt=_prompt(prompt_id), limit=limit)
    return {
        **shapes.current(),
        "items": [
            {
                "at": row.at,
                "trust": row.trust,
                "low": row.low,
                "high": row.high,
                "effectiveness": row.effectiveness,
                "approval": row.approval,
                "event": row.event,
                "policy": row.policy,
            }
            for row in rows
        ],
    }


@routes.get("/prompts/{int:prompt_id}/evidence", scope="read", answer=EventPage, refuses=(400,))
def events(
    request: Request,
    prompt_id: Id,
    limit: paging.Limit,
    cursor: paging.Cursor,
    kind: Annotated[str | None, Query(None, pattern="^(" + "|".join(evidence.KINDS) + ")$")],
    assistant: Annotated[int | None, Query(None, ge=1, le=MAX_ID)],
) -> EventPage:
    """List the events behind a prompt's score, newest first, each with what it moved."""
    after = paging.read(cursor, like=(0,))
    rows = PromptReputationLedger().evidence(
        prompt=_prompt(prompt_id),
        before=int(after[0]) if after is not None else None,
        limit=limit + 1,
        kind=kinds.Kind[kind.upper()] if kind is not None else None,
        assistant_id=assistant,
    )
    page, following = paging.cut(rows, limit=limit, key=lambda row: (row.event,))
    return {
        **shapes.current(),
        "items": [evidence.shape(row) for row in page],
        "next_cursor": following,
    }


@routes.get("/prompts/{int:prompt_id}/lineage", scope="read", answer=LineageShape)
def lineage(
    request: Request,
    prompt_id: Id,
    limit: Annotated[int, Query(60, ge=1, le=400, description="relatives at most")],
) -> LineageShape:
    """Show a prompt's family: what it derives from and what derives from it, with each one's trust and paired gain."""
    told = PromptReputationLedger().lineage(
        prompt=_prompt(prompt_id), now=clock.reading(), limit=limit
    )
    return {
        **shapes.current(),
        "nodes": [
            {
                "prompt": shapes.prompt(node.prompt),
                "trust": shapes.estimate(node.trust),
                "is_self": node.is_self,
            }
            for node in told.nodes
        ],
        "edges": [
            {
                "parent": edge.parent,
                "child": edge.child,
                "derivation": edge.derivation,
                "note": edge.note,
                "gain": shapes.estimate(edge.gain) if edge.gain is not None else None,
            }
            for edge in told.edges
        ],
    }


@routes.get("/prompts/{int:prompt_id}/gains", scope="read", answer=GainsShape, refuses=(400,))
def gains(
    request: Request, prompt_id: Id, limit: paging.Limit, cursor: paging.Cursor
) -> GainsShape:
    """Show what the edit from its parent to a prompt gained or cost, over all assistants and each, with intervals."""
    prompt = _prompt(prompt_id)
    told = PromptReputationLedger().gains(prompt=prompt)
    page, following = paging.page(
        told.assistants,
        limit=limit,
        cursor=cursor,
        like=(0.0, ""),
        key=lambda one: (-abs(one.gain.value), one.assistant.name),
    )
    return {
        **shapes.current(),
        "prompt": shapes.prompt(prompt),
        "parent": shapes.prompt(told.parent) if told.parent is not None else None,
        "overall": _gain(told.overall) if told.overall is not None else None,
        "items": [
            {
                "assistant": shapes.assistant(one.assistant),
                "gain": _gain(one.gain),
                "mine": one.assistant.team_id in request.auth.team_ids,
            }
            for one in page
        ],
        "next_cursor": following,
    }


@routes.get("/standings", scope="read", answer=StandingPage, refuses=(400, 404))
def standings(
    request: Request,
    limit: paging.Limit,
    cursor: paging.Cursor,
    ritual: Annotated[int | None, Query(None, ge=1, le=MAX_ID, description="their home ritual")],
    search: Annotated[str, Query("", max_length=200, description="part of a name or title")],
    tag: Annotated[str, Query("", max_length=100)],
) -> StandingPage:
    """List the prompts that have evidence, best first by the lower 10% bound of their trust."""
    after = paging.read(cursor, like=(0.0, 0))
    rows = PromptReputationLedger().standings(
        ritual=lookups.by_id(Ritual.objects.all(), pk=ritual) if ritual is not None else None,
        text=search,
        tag=tag,
        after=(float(after[0]), int(after[1])) if after is not None else None,
        limit=limit + 1,
    )
    page, following = paging.cut(
        rows, limit=limit, key=lambda row: (row.trust_bound, row.prompt_id)
    )
    return {
        **shapes.current(),
        "items": [
            {
                "prompt": shapes.prompt(row.prompt),
                "home": shapes.ritual(row.ritual),
                "trust": row.trust_score,
                "low": row.trust_low,
                "high": row.trust_high,
                "bound": row.trust_bound,
                "effectiveness": row.ritual_effectiveness,
                "approval": row.assistant_approval,
                "runs": row.runs,
                "events": row.events,
                "event": row.event_id,
            }
            for row in page
        ],
        "next_cursor": following,
    }


def _prompt(prompt_id: int) -> Prompt:
    return lookups.by_id(Prompt.objects.all(), pk=prompt_id)


def _gain(told: answers.Estimate) -> GainShape:
    return {"score": told.value, "low": told.low, "high": told.high, "runs": told.runs}
