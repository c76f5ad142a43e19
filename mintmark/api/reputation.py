"""`/prompts/{id}/reputation`, its history, evidence and lineage: what a prompt's score is and where it comes from."""

from datetime import datetime
from typing import Annotated, TypedDict

from ninja import Query

from mintmark.common import evidence_kinds
from mintmark.registry.models import Prompt, Ritual
from mintmark.reputation.ledger import PromptReputationLedger
from mintmark.scoring.estimate import Estimate

from . import evidence, get_or_404, pagination, read_time, schemas, views
from .authentication import AuthenticatedRequest
from .endpoints import Routes
from .request_body import MAX_ID, Id
from .schemas import AsOf, EstimateOut, Policy, Score

routes = Routes(tag="reputation")


class ContributionOut(TypedDict):
    """One term of a trust score: `amount` in points of score, the effective `runs` it counts for, the raw `counted`
    runs or opinions, the `inherited` part of `runs`. Amounts add up to the score."""

    source: str
    label: str
    amount: float
    runs: float
    counted: float
    inherited: float


class RatingSummaryOut(TypedDict):
    """Live ratings: their plain mean, their mean by raters' records, their number."""

    raw: float | None
    weighted: float | None
    count: int


class ReputationOut(TypedDict):
    """A prompt's reputation, taken apart. `bound` is the lower 10% bound, by which prompts rank in a home ritual."""

    as_of: AsOf
    as_of_time: datetime | None
    policy: Policy
    view: str
    prompt: schemas.PromptRef
    home: schemas.RitualRef | None
    trust: EstimateOut
    bound: Score
    rank: int | None
    ranked: int
    effectiveness: EstimateOut
    approval: EstimateOut
    contributions: list[ContributionOut]
    provenance: schemas.ProvenanceSharesOut
    rating: RatingSummaryOut
    rating_tags: dict[str, int]
    inherited_from: schemas.PromptRef | None


class ScoreSnapshotOut(TypedDict):
    """The scores right after one recorded batch."""

    at: datetime
    trust: Score
    low: Score
    high: Score
    effectiveness: Score
    approval: Score
    event: int
    policy: int


class ScoreHistoryOut(TypedDict):
    """The newest snapshots, oldest of them first."""

    as_of: AsOf
    policy: Policy
    items: list[ScoreSnapshotOut]


class EventPage(TypedDict):
    as_of: AsOf
    policy: Policy
    items: list[evidence.EventOut]
    next_cursor: str | None


class LineageNodeOut(TypedDict):
    """A member of the family with its trust."""

    prompt: schemas.PromptRef
    trust: EstimateOut
    is_self: bool


class PromptScoreOut(TypedDict):
    """Where a prompt stands as of its last event; `bound` is what prompts rank by, within their home ritual."""

    prompt: schemas.PromptRef
    home: schemas.RitualRef | None
    trust: Score
    low: Score
    high: Score
    bound: Score
    effectiveness: Score
    approval: Score
    runs: float
    events: int
    event: int


class PromptScorePage(TypedDict):
    as_of: AsOf
    policy: Policy
    items: list[PromptScoreOut]
    next_cursor: str | None


class LineageEdgeOut(TypedDict):
    """A derivation; `gain` is the child's mean lift over its parent in the same hands, null where nobody ran both."""

    parent: int
    child: int
    derivation: str
    note: str
    gain: EstimateOut | None


class LineageOut(TypedDict):
    as_of: AsOf
    policy: Policy
    nodes: list[LineageNodeOut]
    edges: list[LineageEdgeOut]


class GainOut(TypedDict):
    """Child less parent in `score`, in [−1, 1] (0.04 = four points), with its 90% interval; `runs` is what the
    comparison is worth, n·n'/(n + n') over the rituals that both ran on."""

    score: float
    low: float
    high: float
    runs: float


class AssistantGainOut(TypedDict):
    """What the edit gained or, below 0, cost an assistant; `is_own`: it is one of the caller's teams'."""

    assistant: schemas.AssistantRef
    gain: GainOut
    is_own: bool


class GainsOut(TypedDict):
    """A prompt compared with its `parent` (null where it has none) on the same assistants and rituals. `overall` is
    null where no assistant ran both; `items` are those that did, the largest differences first."""

    as_of: AsOf
    policy: Policy
    prompt: schemas.PromptRef
    parent: schemas.PromptRef | None
    overall: GainOut | None
    items: list[AssistantGainOut]
    next_cursor: str | None


@routes.get("/prompts/{int:prompt_id}/reputation", scope="read", response_schema=ReputationOut)
def get_reputation(request: AuthenticatedRequest, prompt_id: Id, view: views.View) -> ReputationOut:
    """Show a prompt's reputation: score, interval, rank, and the contributions that add up to the score.

    With `view=mine` as your own team sees it: what the team itself reported counts in full, and what other teams
    report does not. The rank is always the public one.
    """
    own_team = views.get_own_team(request.auth, view)
    reputation = PromptReputationLedger(own_team=own_team).get_reputation(
        prompt=_get_prompt(prompt_id), now=read_time.get_read_time()
    )
    return {
        "as_of": reputation.as_of,
        "as_of_time": reputation.as_of_time,
        "policy": reputation.policy,
        "view": view,
        "prompt": schemas.serialize_prompt_ref(reputation.prompt),
        "home": schemas.serialize_ritual_ref(reputation.home),
        "trust": schemas.serialize_estimate(reputation.trust),
        "bound": reputation.bound,
        "rank": reputation.rank,
        "ranked": reputation.ranked,
        "effectiveness": schemas.serialize_estimate(reputation.effectiveness),
        "approval": schemas.serialize_estimate(reputation.approval),
        "contributions": [
            {
                "source": contribution.source,
                "label": contribution.label,
                "amount": contribution.amount,
                "runs": contribution.runs,
                "counted": contribution.counted,
                "inherited": contribution.inherited,
            }
            for contribution in reputation.contributions
        ],
        "provenance": schemas.serialize_provenance(reputation.provenance),
        "rating": {
            "raw": reputation.rating.raw,
            "weighted": reputation.rating.weighted,
            "count": reputation.rating.count,
        },
        "rating_tags": dict(reputation.rating_tags),
        "inherited_from": (
            schemas.serialize_prompt_ref(reputation.inherited_from)
            if reputation.inherited_from is not None
            else None
        ),
    }


@routes.get("/prompts/{int:prompt_id}/history", scope="read", response_schema=ScoreHistoryOut)
def get_score_history(
    request: AuthenticatedRequest,
    prompt_id: Id,
    limit: Annotated[int, Query(500, ge=1, le=5_000, description="snapshots at most")],
) -> ScoreHistoryOut:
    """Show the history of a prompt's scores: one snapshot for each batch of evidence that changed them."""
    rows = PromptReputationLedger().get_history(prompt=_get_prompt(prompt_id), limit=limit)
    return {
        **schemas.get_score_version(),
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


@routes.get(
    "/prompts/{int:prompt_id}/evidence",
    scope="read",
    response_schema=EventPage,
    error_statuses=(400,),
)
def list_prompt_evidence(
    request: AuthenticatedRequest,
    prompt_id: Id,
    limit: pagination.Limit,
    cursor: pagination.Cursor,
    kind: Annotated[str | None, Query(None, pattern="^(" + "|".join(evidence.KINDS) + ")$")],
    assistant: Annotated[int | None, Query(None, ge=1, le=MAX_ID)],
) -> EventPage:
    """List the events behind a prompt's score, newest first, each with its effect."""
    after = pagination.decode_cursor(cursor, key_types=(0,))
    rows = PromptReputationLedger().list_evidence(
        prompt=_get_prompt(prompt_id),
        before=int(after[0]) if after is not None else None,
        limit=limit + 1,
        kind=evidence_kinds.EvidenceKind[kind.upper()] if kind is not None else None,
        assistant_id=assistant,
    )
    page, next_cursor = pagination.slice_page(rows, limit=limit, key=lambda row: (row.event,))
    return {
        **schemas.get_score_version(),
        "items": [evidence.serialize_event(row) for row in page],
        "next_cursor": next_cursor,
    }


@routes.get("/prompts/{int:prompt_id}/lineage", scope="read", response_schema=LineageOut)
def get_lineage(
    request: AuthenticatedRequest,
    prompt_id: Id,
    limit: Annotated[int, Query(60, ge=1, le=400, description="relatives at most")],
) -> LineageOut:
    """Show a prompt's family: what it derives from and what derives from it, with each one's trust and paired gain."""
    family = PromptReputationLedger().get_lineage(
        prompt=_get_prompt(prompt_id), now=read_time.get_read_time(), limit=limit
    )
    return {
        **schemas.get_score_version(),
        "nodes": [
            {
                "prompt": schemas.serialize_prompt_ref(node.prompt),
                "trust": schemas.serialize_estimate(node.trust),
                "is_self": node.is_self,
            }
            for node in family.nodes
        ],
        "edges": [
            {
                "parent": edge.parent,
                "child": edge.child,
                "derivation": edge.derivation,
                "note": edge.note,
                "gain": schemas.serialize_estimate(edge.gain) if edge.gain is not None else None,
            }
            for edge in family.edges
        ],
    }


@routes.get(
    "/prompts/{int:prompt_id}/gains", scope="read", response_schema=GainsOut, error_statuses=(400,)
)
def get_gains(
    request: AuthenticatedRequest, prompt_id: Id, limit: pagination.Limit, cursor: pagination.Cursor
) -> GainsOut:
    """Show what the edit from its parent to a prompt gained or cost, over all assistants and each, with intervals."""
    prompt = _get_prompt(prompt_id)
    edit_gains = PromptReputationLedger().get_edit_gains(prompt=prompt)
    page, next_cursor = pagination.paginate_list(
        edit_gains.assistants,
        limit=limit,
        cursor=cursor,
        key_types=(0.0, ""),
        key=lambda assistant_gain: (-abs(assistant_gain.gain.value), assistant_gain.assistant.name),
    )
    return {
        **schemas.get_score_version(),
        "prompt": schemas.serialize_prompt_ref(prompt),
        "parent": schemas.serialize_prompt_ref(edit_gains.parent)
        if edit_gains.parent is not None
        else None,
        "overall": _serialize_gain(edit_gains.overall) if edit_gains.overall is not None else None,
        "items": [
            {
                "assistant": schemas.serialize_assistant_ref(assistant_gain.assistant),
                "gain": _serialize_gain(assistant_gain.gain),
                "is_own": assistant_gain.assistant.team_id in request.auth.team_ids,
            }
            for assistant_gain in page
        ],
        "next_cursor": next_cursor,
    }


@routes.get("/standings", scope="read", response_schema=PromptScorePage, error_statuses=(400, 404))
def list_prompt_scores(
    request: AuthenticatedRequest,
    limit: pagination.Limit,
    cursor: pagination.Cursor,
    ritual: Annotated[int | None, Query(None, ge=1, le=MAX_ID, description="their home ritual")],
    search: Annotated[str, Query("", max_length=200, description="part of a name or title")],
    tag: Annotated[str, Query("", max_length=100)],
) -> PromptScorePage:
    """List the prompts that have evidence, best first by the lower 10% bound of their trust."""
    after = pagination.decode_cursor(cursor, key_types=(0.0, 0))
    rows = PromptReputationLedger().list_scores(
        ritual=get_or_404.get_by_id(Ritual.objects.all(), pk=ritual)
        if ritual is not None
        else None,
        text=search,
        tag=tag,
        after=(float(after[0]), int(after[1])) if after is not None else None,
        limit=limit + 1,
    )
    page, next_cursor = pagination.slice_page(
        rows, limit=limit, key=lambda row: (row.trust_bound, row.prompt_id)
    )
    return {
        **schemas.get_score_version(),
        "items": [
            {
                "prompt": schemas.serialize_prompt_ref(row.prompt),
                "home": schemas.serialize_ritual_ref(row.ritual),
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
        "next_cursor": next_cursor,
    }


def _get_prompt(prompt_id: int) -> Prompt:
    return get_or_404.get_by_id(Prompt.objects.all(), pk=prompt_id)


def _serialize_gain(estimate: Estimate) -> GainOut:
    return {
        "score": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "runs": estimate.runs,
    }
