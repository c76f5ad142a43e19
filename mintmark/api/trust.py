"""`/assistants/{id}/trust` and what else the trust map says: pairings, wording, suggestions, a heat map."""

from datetime import datetime
from typing import Annotated, Literal, TypedDict

from ninja import Query

from mintmark.accounts.models import Team
from mintmark.core import errors
from mintmark.registry.models import Assistant, Prompt, Ritual
from mintmark.trust import answers
from mintmark.trust.tracker import AssistantTrustTracker

from . import clock, evidence, lookups, paging, shapes
from .bodies import MAX_ID, Id
from .credentials import Request
from .routes import Routes
from .shapes import AsOf, EstimateShape, Policy, Score

routes = Routes(tag="trust")

Order = Literal[
    "trust_low", "trust", "resonance", "compliance", "volatility", "mutation", "memory", "runs", "name"
]  # fmt: skip
RitualId = Annotated[int | None, Query(None, ge=1, le=MAX_ID, description="a task's ritual")]


class MeasureShape(TypedDict):
    """A measure; null where nothing was observed."""

    value: float | None
    runs: float


class ResonanceShape(TypedDict):
    """The lift of the pairing over what either predicts alone, in [−1, 1]: the sum of its parts."""

    value: float
    task: float
    wording: float
    own_record: float


class PairShape(TypedDict):
    """One prompt in an assistant's matrix. `swarm` is the mean trust over all measured assistants."""

    prompt: shapes.PromptNamed
    ritual: shapes.RitualNamed | None
    trust: EstimateShape
    swarm: Score | None
    resonance: ResonanceShape
    compliance: EstimateShape
    volatility: MeasureShape
    mutation: MeasureShape
    memory: EstimateShape
    runs: float
    last_event: int
    last_at: datetime | None


class MatrixShape(TypedDict):
    """A page of an assistant's trust matrix, out of `total` prompts that match."""

    as_of: AsOf
    policy: Policy
    assistant: shapes.Named
    total: int
    items: list[PairShape]
    next_cursor: str | None


class AffinityShape(TypedDict):
    """The largest likeness of the prompt's text to what the assistant remembers, `entry` its key; both null where it
    remembers nothing. The newest `compared` of its `entries` were read, `by` spelling or by vectors of the `model`;
    `note` says why it is not the one that the settings ask for. No evidence, and no part of any score."""

    score: Score | None
    entry: str | None
    compared: int
    entries: int
    by: Literal["spelling", "vectors"]
    model: str
    note: str


class ExplanationShape(TypedDict):
    """A pairing with its `baseline` (what an average prompt scores there), newest events and failed checks. `affinity`
    is null to whoever may not read both the prompt and the assistant's memory."""

    as_of: AsOf
    policy: Policy
    pair: PairShape
    baseline: Score
    events: list[evidence.EventShape]
    failed_checks: list[evidence.EventShape]
    affinity: AffinityShape | None


class WordingShape(TypedDict):
    """What a feature of the wording does for the assistant, in points of score; `own` is the part that is its alone."""

    name: str
    label: str
    effect: float
    low: float
    high: float
    own: float
    prompts: int
    examples: list[shapes.PromptNamed]


class WordingsShape(TypedDict):
    as_of: AsOf
    policy: Policy
    items: list[WordingShape]


class SuggestionShape(TypedDict):
    """A prompt never tried, with the `odds` in [0, 1] that it beats the incumbent."""

    prompt: shapes.PromptNamed
    ritual: shapes.RitualNamed | None
    trust: EstimateShape
    odds: Score
    incumbent: shapes.PromptNamed | None
    incumbent_trust: EstimateShape | None


class SuggestionsShape(TypedDict):
    as_of: AsOf
    policy: Policy
    items: list[SuggestionShape]


class HolderShape(TypedDict):
    """How an assistant stands with the prompt; `mine`: it is one of the caller's teams'."""

    assistant: shapes.Named
    trust: EstimateShape
    mine: bool


class HoldersShape(TypedDict):
    as_of: AsOf
    policy: Policy
    items: list[HolderShape]
    next_cursor: str | None


class HeatMapShape(TypedDict):
    """`trust[i][j]` is the expected score of assistant i with prompt j; `runs[i][j]` what it was measured on."""

    as_of: AsOf
    policy: Policy
    ritual: shapes.RitualNamed | None
    assistants: list[shapes.Named]
    prompts: list[shapes.PromptNamed]
    trust: list[list[float]]
    runs: list[list[float]]


@routes.get(
    "/assistants/{int:assistant_id}/trust", scope="read", answer=MatrixShape, refuses=(400,)
)
def matrix(
    request: Request,
    assistant_id: Id,
    limit: paging.Limit,
    cursor: paging.Cursor,
    ritual: RitualId,
    tag: Annotated[str, Query("", max_length=100)],
    search: Annotated[str, Query("", max_length=200, description="part of a prompt's name")],
    order: Annotated[Order, Query("trust_low")],
    descending: Annotated[bool, Query(True)],
) -> MatrixShape:
    """Show an assistant's trust matrix: the prompts that it has evidence on, ordered.

    A cursor here is a position in this order: where evidence arrives between two pages, a row may show twice or not at
    all.
    """
    after = paging.read(cursor, like=(0,))
    offset = int(after[0]) if after is not None else 0
    if offset < 0:
        raise paging.unreadable(cursor)
    told = AssistantTrustTracker().matrix(
        assistant=_assistant(assistant_id),
        now=clock.reading(),
        ritual=_ritual(ritual),
        tag=tag,
        search=search,
        order=order,
        descending=descending,
        offset=offset,
        limit=limit,
    )
    end = offset + len(told.rows)
    return {
        "as_of": told.as_of,
        "policy": told.policy,
        "assistant": shapes.assistant(told.assistant),
        "total": told.total,
        "items": [_pair(row) for row in told.rows],
        "next_cursor": paging.write((end,)) if told.rows and end < told.total else None,
    }


@routes.get(
    "/assistants/{int:assistant_id}/trust/{int:prompt_id}", scope="read", answer=ExplanationShape
)
def explained(request: Request, assistant_id: Id, prompt_id: Id) -> ExplanationShape:
    """Explain one pairing, tried or not: its terms, its newest events, the checks that it failed."""
    assistant = _assistant(assistant_id)
    prompt = lookups.by_id(Prompt.objects.all(), pk=prompt_id)
    tracker = AssistantTrustTracker()
    told = tracker.explain(assistant=assistant, prompt=prompt, now=clock.reading())
    affinity = tracker.affinity(caller=request.auth, assistant=assistant, prompt=prompt)
    return {
        "as_of": told.as_of,
        "policy": told.policy,
        "pair": _pair(told.row),
        "baseline": told.baseline,
        "events": [evidence.shape(row) for row in told.events],
        "failed_checks": [evidence.shape(row) for row in told.failed_checks],
        "affinity": _affinity(affinity) if affinity is not None else None,
    }


@routes.get("/assistants/{int:assistant_id}/wording", scope="read", answer=WordingsShape)
def wording(request: Request, assistant_id: Id, ritual: RitualId) -> WordingsShape:
    """Show what wording works for an assistant, on one task or on all, the surest effects first."""
    told = AssistantTrustTracker().wording(
        assistant=_assistant(assistant_id), ritual=_ritual(ritual), now=clock.reading()
    )
    return {
        **shapes.current(),
        "items": [
            {
                "name": effect.name,
                "label": effect.label,
                "effect": effect.effect,
                "low": effect.low,
                "high": effect.high,
                "own": effect.own,
                "prompts": effect.prompts,
                "examples": [shapes.prompt(prompt) for prompt in effect.examples],
            }
            for effect in told
        ],
    }


@routes.get("/assistants/{int:assistant_id}/suggestions", scope="read", answer=SuggestionsShape)
def suggestions(
    request: Request, assistant_id: Id, limit: Annotated[int, Query(3, ge=1, le=50)]
) -> SuggestionsShape:
    """Suggest prompts that the assistant never tried, those most likely to beat its best first."""
    told = AssistantTrustTracker().suggestions(
        assistant=_assistant(assistant_id), now=clock.reading(), limit=limit
    )
    return {
        **shapes.current(),
        "items": [
            {
                "prompt": shapes.prompt(one.prompt),
                "ritual": shapes.ritual(one.ritual),
                "trust": shapes.estimate(one.trust),
                "odds": one.odds,
                "incumbent": shapes.prompt(one.incumbent) if one.incumbent is not None else None,
                "incumbent_trust": (
                    shapes.estimate(one.incumbent_trust)
                    if one.incumbent_trust is not None
                    else None
                ),
            }
            for one in told
        ],
    }


@routes.get(
    "/prompts/{int:prompt_id}/assistants", scope="read", answer=HoldersShape, refuses=(400,)
)
def holders(
    request: Request, prompt_id: Id, limit: paging.Limit, cursor: paging.Cursor
) -> HoldersShape:
    """Show how every measured assistant stands with a prompt, tried or not, best first."""
    told = AssistantTrustTracker().assistants_of(
        prompt=lookups.by_id(Prompt.objects.all(), pk=prompt_id),
        now=clock.reading(),
        caller=request.auth,
    )
    page, following = paging.page(
        told,
        limit=limit,
        cursor=cursor,
        like=(0.0, ""),
        key=lambda one: (-one.trust.value, one.assistant.name),
    )
    return {
        **shapes.current(),
        "items": [
            {
                "assistant": shapes.assistant(one.assistant),
                "trust": shapes.estimate(one.trust),
                "mine": one.mine,
            }
            for one in page
        ],
        "next_cursor": following,
    }


@routes.get("/rituals/{int:ritual_id}/heat-map", scope="read", answer=HeatMapShape)
def heat_map(
    request: Request,
    ritual_id: Id,
    team: Annotated[str | None, Query(None, max_length=64, description="one team's assistants")],
    prompts: Annotated[int, Query(40, ge=1, le=200, description="best-standing prompts at most")],
) -> HeatMapShape:
    """Show assistants by a task's best-standing prompts."""
    named = Team.objects.filter(name=team).first() if team is not None else None
    if team is not None and named is None:
        raise errors.NotFound(f"There is no team {team!r}.")
    told = AssistantTrustTracker().heat_map(
        team=named,
        ritual=lookups.by_id(Ritual.objects.all(), pk=ritual_id),
        now=clock.reading(),
        prompts=prompts,
    )
    return {
        "as_of": told.as_of,
        "policy": told.policy,
        "ritual": shapes.ritual(told.ritual),
        "assistants": [shapes.assistant(row) for row in told.assistants],
        "prompts": [shapes.prompt(row) for row in told.prompts],
        "trust": [list(row) for row in told.trust],
        "runs": [list(row) for row in told.runs],
    }


def _assistant(assistant_id: int) -> Assistant:
    return lookups.by_id(Assistant.objects.all(), pk=assistant_id)


def _ritual(ritual_id: int | None) -> Ritual | None:
    return None if ritual_id is None else lookups.by_id(Ritual.objects.all(), pk=ritual_id)


def _affinity(told: answers.Affinity) -> AffinityShape:
    return {
        "score": told.score,
        "entry": told.entry,
        "compared": told.compared,
        "entries": told.entries,
        "by": told.by,
        "model": told.model,
        "note": told.note,
    }


def _pair(row: answers.MatrixRow) -> PairShape:
    return {
        "prompt": shapes.prompt(row.prompt),
        "ritual": shapes.ritual(row.ritual),
        "trust": shapes.estimate(row.trust),
        "swarm": row.swarm,
        "resonance": {
            "value": row.resonance.value,
            "task": row.resonance.task,
            "wording": row.resonance.wording,
            "own_record": row.resonance.own_record,
        },
        "compliance": shapes.estimate(row.compliance),
        "volatility": {"value": row.volatility.value, "runs": row.volatility.runs},
        "mutation": {"value": row.mutation.value, "runs": row.mutation.runs},
        "memory": shapes.estimate(row.memory),
        "runs": row.runs,
        "last_event": row.last_event,
        "last_at": row.last_at,
    }
