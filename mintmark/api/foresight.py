"""`/prompts/{id}/foresight`: what trust an edited text would have, before it is registered or run."""

from collections.abc import Sequence
from typing import Annotated, TypedDict

from django.utils import timezone
from pydantic import Field

from mintmark.accounts.callers import Caller
from mintmark.registry import assistants, rituals
from mintmark.registry.models import Assistant, Prompt
from mintmark.trust import answers
from mintmark.trust.tracker import AssistantTrustTracker

from . import lookups, prompts, shapes
from .bodies import Body, Id, Reference
from .credentials import Request
from .routes import Routes
from .shapes import AsOf, EstimateShape, Policy

routes = Routes(tag="foresight")

MOST_ASSISTANTS = 50


class FeatureShape(TypedDict):
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


class ForeseenShape(TypedDict):
    """One assistant's trust. `told` is the parent's as it stands, with its record; a new text has none, so `as_new`
    (the parent's) and `edited` compare both without. `change` (in [−1, 1]) is due to wording alone: the sum of
    `effects`, `hashed` (wording beyond readable features) and `spread` (being surer or less sure)."""

    assistant: shapes.Named
    told: EstimateShape
    as_new: EstimateShape
    edited: EstimateShape
    change: EstimateShape
    effects: list[FeatureShape]
    hashed: float
    spread: float


class ForesightShape(TypedDict):
    """A prediction from wording, for `ritual` (null: the parent has no task); not `measured_task`: no wording was ever
    measured on it here."""

    as_of: AsOf
    policy: Policy
    parent: shapes.PromptNamed
    ritual: shapes.RitualNamed | None
    measured_task: bool
    items: list[ForeseenShape]


class TrackRecordShape(TypedDict):
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
    record: TrackRecordShape | None


class EditedText(Body):
    """A text, an edit of the prompt; the assistants to foresee it for (the caller's own if none are named), and the
    task (the parent's own)."""

    text: str
    assistants: Annotated[list[Id | Reference], Field(max_length=MOST_ASSISTANTS)] | None = None
    ritual: Id | Reference | None = None


@routes.ask(
    "/prompts/{int:prompt_id}/foresight", scope="read", body=EditedText, answer=ForesightShape
)
def foreseen(request: Request, prompt_id: Id, body: EditedText) -> ForesightShape:
    """Foresee what trust an edit of a prompt would have with each assistant: to those who may read its text.

    It is a prediction from wording; `/foresight` says how well such have held here. Nothing is stored.
    """
    parent = lookups.by_id(Prompt.objects.all(), pk=prompt_id)
    prompts.require_reader(request.auth, parent)
    task = rituals.named(reference=str(body.ritual)) if body.ritual is not None else None
    told = AssistantTrustTracker().foresee(
        text=body.text,
        parent=parent,
        assistants=_assistants(request.auth, body.assistants),
        now=timezone.now(),
        ritual=task,
    )
    return {
        "as_of": told.as_of,
        "policy": told.policy,
        "parent": shapes.prompt(told.parent),
        "ritual": shapes.ritual(told.ritual),
        "measured_task": told.measured_task,
        "items": [_foreseen(row) for row in told.rows],
    }


@routes.get("/foresight", scope="read", answer=ForesightRecord)
def track_record(request: Request) -> ForesightRecord:
    """Say how well predictions of texts that nobody had run have held here."""
    told = AssistantTrustTracker().track_record()
    if told is None:
        return {**shapes.current(), "record": None}
    return {
        **shapes.current(),
        "record": {
            "prompts": told.prompts,
            "mean_error": told.mean_error,
            "plain_error": told.plain_error,
            "rank_correlation": told.rank_correlation,
            "rank_within": told.rank_within,
            "compared": told.compared,
        },
    }


def _assistants(caller: Caller, named: Sequence[int | str] | None) -> list[Assistant]:
    if named is None:
        return list(assistants.of_teams(caller=caller).order_by("name")[:MOST_ASSISTANTS])
    return [assistants.named(reference=str(reference)) for reference in named]


def _foreseen(row: answers.ForeseenTrust) -> ForeseenShape:
    return {
        "assistant": shapes.assistant(row.assistant),
        "told": shapes.estimate(row.told),
        "as_new": shapes.estimate(row.as_new),
        "edited": shapes.estimate(row.edited),
        "change": shapes.estimate(row.change),
        "effects": [
            {
                "name": one.name,
                "label": one.label,
                "counted": one.counted,
                "before": one.before,
                "after": one.after,
                "effect": one.effect,
                "low": one.low,
                "high": one.high,
            }
            for one in row.effects
        ],
        "hashed": row.hashed,
        "spread": row.spread,
    }
