"""`/prompts/{id}/foresight`: the predicted trust of an edited text, before it is registered or run."""

from collections.abc import Sequence
from typing import Annotated, TypedDict

from django.utils import timezone
from pydantic import Field

from mintmark.accounts.callers import Caller
from mintmark.registry import assistants, rituals
from mintmark.registry.models import Assistant, Prompt
from mintmark.trust import results
from mintmark.trust.tracker import AssistantTrustTracker

from . import get_or_404, prompts, schemas
from .authentication import AuthenticatedRequest
from .endpoints import Routes
from .request_body import Id, Reference, RequestBody
from .schemas import AsOf, EstimateOut, Policy

routes = Routes(tag="edit_predictions")

MAX_ASSISTANTS = 50


class FeatureEffectOut(TypedDict):
    """A feature of the wording that the edit changes, and what that does for one assistant, in points of score.
    `before` and `after`: 0 or 1, or, where `counted`, a number (mostly a logarithm)."""

    name: str
    label: str
    counted: bool
    before: float
    after: float
    effect: float
    low: float
    high: float


class ForeseenTrustOut(TypedDict):
    """One assistant's trust. `parent` is the present trust of the parent, with its record; a new text has none, so
    `as_new` (the parent's) and `edited` compare both without. `change` (in [−1, 1]) is due to wording alone: the sum of
    `effects`, `hashed` (wording beyond readable features) and `spread` (being surer or less sure)."""

    assistant: schemas.AssistantRef
    parent: EstimateOut
    as_new: EstimateOut
    edited: EstimateOut
    change: EstimateOut
    effects: list[FeatureEffectOut]
    hashed: float
    spread: float


class ForesightOut(TypedDict):
    """A prediction from wording, for `ritual` (null: the parent has no task); not `measured_task`: no wording was ever
    measured on it here."""

    as_of: AsOf
    policy: Policy
    parent: schemas.PromptRef
    ritual: schemas.RitualRef | None
    measured_task: bool
    items: list[ForeseenTrustOut]


class TrackRecordOut(TypedDict):
    """Of the newest `prompts` that nobody had run, each beside its first score: the mean error, the error of expecting
    their mean of each, and the rank correlation over all and within one assistant and task (`compared` prompts)."""

    prompts: int
    mean_error: float
    plain_error: float
    rank_correlation: float | None
    rank_within: float | None
    compared: int


class ForesightRecord(TypedDict):
    """How predictions from wording have held here; null: too few to say."""

    as_of: AsOf
    policy: Policy
    record: TrackRecordOut | None


class EditedText(RequestBody):
    """A text, an edit of the prompt; the assistants to foresee it for (the caller's own if none are named), and the
    task (the parent's own)."""

    text: str
    assistants: Annotated[list[Id | Reference], Field(max_length=MAX_ASSISTANTS)] | None = None
    ritual: Id | Reference | None = None


@routes.query(
    "/prompts/{int:prompt_id}/foresight",
    scope="read",
    body=EditedText,
    response_schema=ForesightOut,
)
def predict_edit_trust(
    request: AuthenticatedRequest, prompt_id: Id, body: EditedText
) -> ForesightOut:
    """Predict the trust of an edited prompt with each assistant: to those who may read its text.

    It is a prediction from wording; `/foresight` says how well such have held here. Nothing is stored.
    """
    parent = get_or_404.get_by_id(Prompt.objects.all(), pk=prompt_id)
    prompts.require_reader(request.auth, parent)
    ritual = rituals.resolve(reference=str(body.ritual)) if body.ritual is not None else None
    prediction = AssistantTrustTracker().foresee(
        text=body.text,
        parent=parent,
        assistants=_resolve_assistants(request.auth, body.assistants),
        now=timezone.now(),
        ritual=ritual,
    )
    return {
        "as_of": prediction.as_of,
        "policy": prediction.policy,
        "parent": schemas.serialize_prompt_ref(prediction.parent),
        "ritual": schemas.serialize_ritual_ref(prediction.ritual),
        "measured_task": prediction.measured_task,
        "items": [_serialize_row(row) for row in prediction.rows],
    }


@routes.get("/foresight", scope="read", response_schema=ForesightRecord)
def get_foresight_record(request: AuthenticatedRequest) -> ForesightRecord:
    """Show how accurate predictions for texts without runs were on this installation."""
    record = AssistantTrustTracker().get_track_record()
    if record is None:
        return {**schemas.get_score_version(), "record": None}
    return {
        **schemas.get_score_version(),
        "record": {
            "prompts": record.prompts,
            "mean_error": record.mean_error,
            "plain_error": record.plain_error,
            "rank_correlation": record.rank_correlation,
            "rank_within": record.rank_within,
            "compared": record.compared,
        },
    }


def _resolve_assistants(caller: Caller, references: Sequence[int | str] | None) -> list[Assistant]:
    if references is None:
        return list(assistants.list_own(caller=caller).order_by("name")[:MAX_ASSISTANTS])
    return [assistants.resolve(reference=str(reference)) for reference in references]


def _serialize_row(row: results.ForeseenTrust) -> ForeseenTrustOut:
    return {
        "assistant": schemas.serialize_assistant_ref(row.assistant),
        "parent": schemas.serialize_estimate(row.parent_trust),
        "as_new": schemas.serialize_estimate(row.as_new),
        "edited": schemas.serialize_estimate(row.edited),
        "change": schemas.serialize_estimate(row.change),
        "effects": [
            {
                "name": effect.name,
                "label": effect.label,
                "counted": effect.counted,
                "before": effect.before,
                "after": effect.after,
                "effect": effect.effect,
                "low": effect.low,
                "high": effect.high,
            }
            for effect in row.effects
        ],
        "hashed": row.hashed,
        "spread": row.spread,
    }
