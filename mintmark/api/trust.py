"""`/assistants/{id}/trust` and what else the trust map says: pairings, wording, suggestions, a heat map."""

from datetime import datetime
from typing import Annotated, Literal, TypedDict

from ninja import Query

from mintmark.accounts.models import Team
from mintmark.common import errors
from mintmark.registry.models import Assistant, Prompt, Ritual
from mintmark.trust import results
from mintmark.trust.tracker import AssistantTrustTracker

from . import evidence, get_or_404, pagination, read_time, schemas, views
from .authentication import AuthenticatedRequest
from .endpoints import Routes
from .request_body import MAX_ID, Id
from .schemas import AsOf, EstimateOut, Policy, Score

routes = Routes(tag="trust")

MatrixOrder = Literal[
    "trust_low", "trust", "resonance", "compliance", "volatility", "mutation", "memory", "runs", "name"
]  # fmt: skip
RitualFilter = Annotated[int | None, Query(None, ge=1, le=MAX_ID, description="a task's ritual")]
ToldRitual = Annotated[
    int | None,
    Query(None, ge=1, le=MAX_ID, description="the task's ritual; by default the prompt's home"),
]


class MeasureOut(TypedDict):
    """A measure; null where nothing was observed."""

    value: float | None
    runs: float


class ResonanceOut(TypedDict):
    """The lift of the pairing over what either predicts alone, in [−1, 1]: the sum of its parts."""

    value: float
    task: float
    wording: float
    own_record: float


class TaskTrustOut(TypedDict):
    """What a pairing has measured on a task, as of its last event there."""

    ritual: schemas.RitualRef | None
    trust: EstimateOut
    last_event: int
    last_at: datetime


class PairOut(TypedDict):
    """One prompt in an assistant's matrix. `trust` is that on `ritual`, its `runs` those made there; 0: predicted.
    `swarm` is the mean trust over all measured assistants, `runs` counts every task."""

    prompt: schemas.PromptRef
    ritual: schemas.RitualRef | None
    trust: EstimateOut
    swarm: Score | None
    resonance: ResonanceOut
    compliance: EstimateOut
    volatility: MeasureOut
    mutation: MeasureOut
    memory: EstimateOut
    runs: float
    last_event: int
    last_at: datetime | None


class TrustMatrixOut(TypedDict):
    """A page of an assistant's trust matrix, out of `total` prompts that match."""

    as_of: AsOf
    policy: Policy
    assistant: schemas.AssistantRef
    total: int
    items: list[PairOut]
    next_cursor: str | None


class AffinityOut(TypedDict):
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


class TrustExplanationOut(TypedDict):
    """A pairing on a task with its `baseline` (what an average prompt scores there), newest events and failed checks.
    `other_tasks`: what it has measured elsewhere; `runs`: all its measured runs, by provenance. `affinity` is null to
    whoever may not read both the prompt and the assistant's memory."""

    as_of: AsOf
    policy: Policy
    pair: PairOut
    baseline: Score
    other_tasks: list[TaskTrustOut]
    events: list[evidence.EventOut]
    failed_checks: list[evidence.EventOut]
    runs: dict[str, int]
    affinity: AffinityOut | None


class WordingEffectOut(TypedDict):
    """Effect of a wording feature for the assistant, in points of score; `own_effect` is the part of this assistant
    alone."""

    name: str
    label: str
    effect: float
    low: float
    high: float
    own_effect: float
    prompts: int
    examples: list[schemas.PromptRef]


class WordingEffectsOut(TypedDict):
    as_of: AsOf
    policy: Policy
    items: list[WordingEffectOut]


class SuggestionOut(TypedDict):
    """A prompt never tried, with the `odds` in [0, 1] that it beats the incumbent."""

    prompt: schemas.PromptRef
    ritual: schemas.RitualRef | None
    trust: EstimateOut
    odds: Score
    incumbent: schemas.PromptRef | None
    incumbent_trust: EstimateOut | None


class SuggestionsOut(TypedDict):
    as_of: AsOf
    policy: Policy
    items: list[SuggestionOut]


class AssistantTrustOut(TypedDict):
    """How an assistant stands with the prompt; `is_own`: it is one of the caller's teams'."""

    assistant: schemas.AssistantRef
    trust: EstimateOut
    is_own: bool


class AssistantTrustPage(TypedDict):
    """A page of assistants; each is told on the task of `ritual`."""

    as_of: AsOf
    policy: Policy
    ritual: schemas.RitualRef | None
    items: list[AssistantTrustOut]
    next_cursor: str | None


class HeatMapOut(TypedDict):
    """`trust[i][j]` is the expected score of assistant i with prompt j; `runs[i][j]` what it was measured on."""

    as_of: AsOf
    policy: Policy
    ritual: schemas.RitualRef | None
    assistants: list[schemas.AssistantRef]
    prompts: list[schemas.PromptRef]
    trust: list[list[float]]
    runs: list[list[float]]


@routes.get(
    "/assistants/{int:assistant_id}/trust",
    scope="read",
    response_schema=TrustMatrixOut,
    error_statuses=(400,),
)
def get_trust_matrix(
    request: AuthenticatedRequest,
    assistant_id: Id,
    limit: pagination.Limit,
    cursor: pagination.Cursor,
    ritual: RitualFilter,
    tag: Annotated[str, Query("", max_length=100)],
    search: Annotated[str, Query("", max_length=200, description="part of a prompt's name")],
    order: Annotated[MatrixOrder, Query("trust_low")],
    descending: Annotated[bool, Query(True)],
    view: views.View,
) -> TrustMatrixOut:
    """Show an assistant's trust matrix: the prompts that it has evidence on, ordered.

    A cursor here is a position in this order: where evidence arrives between two pages, a row may show twice or not at
    all.
    """
    after = pagination.decode_cursor(cursor, key_types=(0,))
    offset = int(after[0]) if after is not None else 0
    if offset < 0:
        raise pagination.build_cursor_error(cursor)
    assistant = _get_assistant(assistant_id)
    own_team = views.get_assistants_team(request.auth, assistant, view)
    matrix = AssistantTrustTracker(own_team=own_team).get_matrix(
        assistant=assistant,
        now=read_time.get_read_time(),
        ritual=_find_ritual(ritual),
        tag=tag,
        search=search,
        order=order,
        descending=descending,
        offset=offset,
        limit=limit,
    )
    end = offset + len(matrix.rows)
    return {
        "as_of": matrix.as_of,
        "policy": matrix.policy,
        "assistant": schemas.serialize_assistant_ref(matrix.assistant),
        "total": matrix.total,
        "items": [_serialize_pair(row) for row in matrix.rows],
        "next_cursor": pagination.encode_cursor((end,))
        if matrix.rows and end < matrix.total
        else None,
    }


@routes.get(
    "/assistants/{int:assistant_id}/trust/{int:prompt_id}",
    scope="read",
    response_schema=TrustExplanationOut,
)
def explain_trust(
    request: AuthenticatedRequest,
    assistant_id: Id,
    prompt_id: Id,
    ritual: ToldRitual,
    view: views.View,
) -> TrustExplanationOut:
    """Explain one pairing on a task, tried or not: its terms, its newest events, the checks that it failed.

    What was measured on other tasks is told as `other_tasks`, and is no part of the trust on this one.
    """
    assistant = _get_assistant(assistant_id)
    prompt = get_or_404.get_by_id(Prompt.objects.all(), pk=prompt_id)
    tracker = AssistantTrustTracker(
        own_team=views.get_assistants_team(request.auth, assistant, view)
    )
    explanation = tracker.explain(
        assistant=assistant,
        prompt=prompt,
        ritual=_find_ritual(ritual),
        now=read_time.get_read_time(),
    )
    affinity = tracker.measure_affinity(caller=request.auth, assistant=assistant, prompt=prompt)
    return {
        "as_of": explanation.as_of,
        "policy": explanation.policy,
        "pair": _serialize_pair(explanation.row),
        "baseline": explanation.baseline,
        "other_tasks": [
            {
                "ritual": schemas.serialize_ritual_ref(other.ritual),
                "trust": schemas.serialize_estimate(other.trust),
                "last_event": other.last_event,
                "last_at": other.last_at,
            }
            for other in explanation.row.other_tasks
        ],
        "events": [evidence.serialize_event(row) for row in explanation.events],
        "failed_checks": [evidence.serialize_event(row) for row in explanation.failed_checks],
        "runs": dict(explanation.runs),
        "affinity": _serialize_affinity(affinity) if affinity is not None else None,
    }


@routes.get(
    "/assistants/{int:assistant_id}/wording", scope="read", response_schema=WordingEffectsOut
)
def get_wording_effects(
    request: AuthenticatedRequest, assistant_id: Id, ritual: RitualFilter
) -> WordingEffectsOut:
    """Show what wording works for an assistant, on one task or on all, the surest effects first."""
    effects = AssistantTrustTracker().list_wording_effects(
        assistant=_get_assistant(assistant_id),
        ritual=_find_ritual(ritual),
        now=read_time.get_read_time(),
    )
    return {
        **schemas.get_score_version(),
        "items": [
            {
                "name": effect.name,
                "label": effect.label,
                "effect": effect.effect,
                "low": effect.low,
                "high": effect.high,
                "own_effect": effect.own_effect,
                "prompts": effect.prompts,
                "examples": [schemas.serialize_prompt_ref(prompt) for prompt in effect.examples],
            }
            for effect in effects
        ],
    }


@routes.get(
    "/assistants/{int:assistant_id}/suggestions", scope="read", response_schema=SuggestionsOut
)
def suggest_prompts(
    request: AuthenticatedRequest, assistant_id: Id, limit: Annotated[int, Query(3, ge=1, le=50)]
) -> SuggestionsOut:
    """Suggest prompts that the assistant never tried, those most likely to beat its best first."""
    suggested = AssistantTrustTracker().suggest_prompts(
        assistant=_get_assistant(assistant_id), now=read_time.get_read_time(), limit=limit
    )
    return {
        **schemas.get_score_version(),
        "items": [
            {
                "prompt": schemas.serialize_prompt_ref(suggestion.prompt),
                "ritual": schemas.serialize_ritual_ref(suggestion.ritual),
                "trust": schemas.serialize_estimate(suggestion.trust),
                "odds": suggestion.odds,
                "incumbent": schemas.serialize_prompt_ref(suggestion.incumbent)
                if suggestion.incumbent is not None
                else None,
                "incumbent_trust": (
                    schemas.serialize_estimate(suggestion.incumbent_trust)
                    if suggestion.incumbent_trust is not None
                    else None
                ),
            }
            for suggestion in suggested
        ],
    }


@routes.get(
    "/prompts/{int:prompt_id}/assistants",
    scope="read",
    response_schema=AssistantTrustPage,
    error_statuses=(400,),
)
def list_prompt_assistants(
    request: AuthenticatedRequest,
    prompt_id: Id,
    limit: pagination.Limit,
    cursor: pagination.Cursor,
    ritual: ToldRitual,
) -> AssistantTrustPage:
    """Show how every measured assistant stands with a prompt on a task, tried or not, best first."""
    prompt = get_or_404.get_by_id(Prompt.objects.all(), pk=prompt_id)
    tracker, ritual_row = AssistantTrustTracker(), _find_ritual(ritual)
    assistant_rows = tracker.list_assistants(
        prompt=prompt, ritual=ritual_row, now=read_time.get_read_time(), caller=request.auth
    )
    page, next_cursor = pagination.paginate_list(
        assistant_rows,
        limit=limit,
        cursor=cursor,
        key_types=(0.0, ""),
        key=lambda row: (-row.trust.value, row.assistant.name),
    )
    return {
        **schemas.get_score_version(),
        "ritual": schemas.serialize_ritual_ref(ritual_row or tracker.find_home(prompt=prompt)),
        "items": [
            {
                "assistant": schemas.serialize_assistant_ref(row.assistant),
                "trust": schemas.serialize_estimate(row.trust),
                "is_own": row.is_own,
            }
            for row in page
        ],
        "next_cursor": next_cursor,
    }


@routes.get("/rituals/{int:ritual_id}/heat-map", scope="read", response_schema=HeatMapOut)
def get_heat_map(
    request: AuthenticatedRequest,
    ritual_id: Id,
    team: Annotated[str | None, Query(None, max_length=64, description="one team's assistants")],
    prompts: Annotated[int, Query(40, ge=1, le=200, description="best-standing prompts at most")],
) -> HeatMapOut:
    """Show assistants by a task's best-standing prompts."""
    team_row = Team.objects.filter(name=team).first() if team is not None else None
    if team is not None and team_row is None:
        raise errors.NotFound(f"There is no team {team!r}.")
    heat_map = AssistantTrustTracker().get_heat_map(
        team=team_row,
        ritual=get_or_404.get_by_id(Ritual.objects.all(), pk=ritual_id),
        now=read_time.get_read_time(),
        prompts=prompts,
    )
    return {
        "as_of": heat_map.as_of,
        "policy": heat_map.policy,
        "ritual": schemas.serialize_ritual_ref(heat_map.ritual),
        "assistants": [schemas.serialize_assistant_ref(row) for row in heat_map.assistants],
        "prompts": [schemas.serialize_prompt_ref(row) for row in heat_map.prompts],
        "trust": [list(row) for row in heat_map.trust],
        "runs": [list(row) for row in heat_map.runs],
    }


def _get_assistant(assistant_id: int) -> Assistant:
    return get_or_404.get_by_id(Assistant.objects.all(), pk=assistant_id)


def _find_ritual(ritual_id: int | None) -> Ritual | None:
    return None if ritual_id is None else get_or_404.get_by_id(Ritual.objects.all(), pk=ritual_id)


def _serialize_affinity(affinity: results.Affinity) -> AffinityOut:
    return {
        "score": affinity.score,
        "entry": affinity.entry,
        "compared": affinity.compared,
        "entries": affinity.entries,
        "by": affinity.by,
        "model": affinity.model,
        "note": affinity.note,
    }


def _serialize_pair(row: results.TrustMatrixRow) -> PairOut:
    return {
        "prompt": schemas.serialize_prompt_ref(row.prompt),
        "ritual": schemas.serialize_ritual_ref(row.ritual),
        "trust": schemas.serialize_estimate(row.trust),
        "swarm": row.swarm,
        "resonance": {
            "value": row.resonance.value,
            "task": row.resonance.task,
            "wording": row.resonance.wording,
            "own_record": row.resonance.own_record,
        },
        "compliance": schemas.serialize_estimate(row.compliance),
        "volatility": {"value": row.volatility.value, "runs": row.volatility.runs},
        "mutation": {"value": row.mutation.value, "runs": row.mutation.runs},
        "memory": schemas.serialize_estimate(row.memory),
        "runs": row.runs,
        "last_event": row.last_event,
        "last_at": row.last_at,
    }
