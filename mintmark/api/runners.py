"""`/assistants/{id}/runner`: how an assistant is reached when a ritual runs it; never the key itself."""

from datetime import datetime
from typing import Annotated, Any, Literal, TypedDict

from django.utils import timezone
from pydantic import Field

from mintmark.common import errors
from mintmark.registry import assistants
from mintmark.registry.models import Assistant
from mintmark.rituals import runner_check, runner_settings
from mintmark.rituals.models import RunnerSettings
from mintmark.rituals.runners import transcript

from . import amount_fields, get_or_404, schemas
from .amount_fields import PriceOrZero, Tokens
from .authentication import AuthenticatedRequest
from .endpoints import Routes
from .request_body import Id, Reference, RequestBody

routes = Routes(tag="runners")

RunnerKind = Literal["openai", "transcript", "rehearsal"]


class RunnerOut(TypedDict):
    """How an assistant is reached. `key_name` names the environment variable that holds the key, `replies` counts those
    of a transcript. Prices are for 1,000 tokens, in `currency`."""

    assistant: schemas.AssistantRef
    kind: RunnerKind
    base_url: str
    model: str
    key_name: str
    timeout_seconds: float
    attempts: int
    at_once: int
    per_minute: int
    price_in: Tokens
    price_out: Tokens
    currency: str
    cost_cap: Tokens | None
    judge: schemas.AssistantRef | None
    replies: int
    configured_by: str
    configured_at: datetime


class NewRunner(RequestBody):
    """How an assistant is reached from now on. `transcript` is a list of replies, each with `case` and `output`."""

    kind: RunnerKind
    base_url: Annotated[str, Field(max_length=500)] = ""
    model: Annotated[str, Field(max_length=200)] = ""
    key_name: Annotated[str, Field(max_length=200)] = ""
    timeout_seconds: float = 60.0
    attempts: int = 4
    at_once: int = 4
    per_minute: int = 0
    price_in: PriceOrZero = "0"
    price_out: PriceOrZero = "0"
    currency: Annotated[str, Field(max_length=8)] = "USD"
    cost_cap: PriceOrZero | None = None
    judge: Id | Reference | None = None
    transcript: list[dict[str, Any]] | None = None


@routes.get("/assistants/{int:assistant_id}/runner", scope="read", response_schema=RunnerOut)
def get_runner(request: AuthenticatedRequest, assistant_id: Id) -> RunnerOut:
    """Show the runner configuration of an assistant, to its team."""
    assistant = get_or_404.get_by_id(Assistant.objects.all(), pk=assistant_id)
    rows = runner_settings.visible_to(caller=request.auth).select_related("configured_by")
    row = rows.filter(assistant=assistant).first()
    if row is None:
        raise errors.NotFound(
            f"Nobody has said how {assistant} is reached, or it is another team's."
        )
    return _serialize(row)


class NewRunnerCheck(RequestBody):
    """How many seconds the call is waited for at most; never longer than a run would wait."""

    seconds: Annotated[float, Field(ge=0.1, le=runner_check.MAX_SECONDS)]


class RunnerCheckOut(TypedDict):
    """What came of a test call. `problem` is a code such as `timed_out` or `status_401`, "" where it `answers`. The
    reply itself is not shown."""

    answers: bool
    model: str
    problem: str
    message: str
    latency_ms: float | None
    tokens_in: int | None
    tokens_out: int | None


@routes.query(
    "/assistants/{int:assistant_id}/runner/try",
    scope="registry",
    body=NewRunnerCheck,
    response_schema=RunnerCheckOut,
)
def check_runner(
    request: AuthenticatedRequest, assistant_id: Id, body: NewRunnerCheck
) -> RunnerCheckOut:
    """Test an assistant's endpoint with a request for one word: whether it responds, and how fast. Nothing is recorded.

    It takes the role operator in its team; the endpoint may charge for it.
    """
    assistant = get_or_404.get_by_id(Assistant.objects.select_related("team"), pk=assistant_id)
    result = runner_check.check_runner(
        caller=request.auth, assistant=assistant, seconds=body.seconds
    )
    return {
        "answers": result.answers,
        "model": result.model,
        "problem": result.problem,
        "message": result.message,
        "latency_ms": result.latency_ms,
        "tokens_in": result.tokens_in,
        "tokens_out": result.tokens_out,
    }


@routes.put(
    "/assistants/{int:assistant_id}/runner",
    scope="registry",
    body=NewRunner,
    response_schema=RunnerOut,
)
def configure_runner(request: AuthenticatedRequest, assistant_id: Id, body: NewRunner) -> RunnerOut:
    """Replace the runner configuration of an assistant; runs in progress keep the configuration they started with.

    It takes the role operator in its team (and in the judge's). `key_name` names a variable of the processes that run
    rituals, `MINTMARK_RUNNER_TEAM__…`; a key is sent nowhere but to the endpoint, and never here.
    """
    row = runner_settings.configure(
        caller=request.auth,
        assistant=get_or_404.get_by_id(Assistant.objects.select_related("team"), pk=assistant_id),
        setup=runner_settings.RunnerSettingsInput(
            kind=body.kind,
            base_url=body.base_url,
            model=body.model,
            key_name=body.key_name,
            timeout_seconds=body.timeout_seconds,
            attempts=body.attempts,
            at_once=body.at_once,
            per_minute=body.per_minute,
            price_in_micro=amount_fields.parse_price_or_zero(body.price_in),
            price_out_micro=amount_fields.parse_price_or_zero(body.price_out),
            currency=body.currency,
            cost_cap_micro=None
            if body.cost_cap is None
            else amount_fields.parse_price_or_zero(body.cost_cap),
            judge=assistants.resolve(reference=str(body.judge)) if body.judge is not None else None,
            transcript=None
            if body.transcript is None
            else transcript.validate_replies(body.transcript),
        ),
        now=timezone.now(),
    )
    return _serialize(row)


def _serialize(row: RunnerSettings) -> RunnerOut:
    return {
        "assistant": schemas.serialize_assistant_ref(row.assistant),
        "kind": row.kind,  # type: ignore[typeddict-item]  # one of the three
        "base_url": row.base_url,
        "model": row.model,
        "key_name": row.key_name,
        "timeout_seconds": row.timeout_seconds,
        "attempts": row.attempts,
        "at_once": row.at_once,
        "per_minute": row.per_minute,
        "price_in": amount_fields.format_tokens(row.price_in_micro),
        "price_out": amount_fields.format_tokens(row.price_out_micro),
        "currency": row.currency,
        "cost_cap": None
        if row.cost_cap_micro is None
        else amount_fields.format_tokens(row.cost_cap_micro),
        "judge": schemas.serialize_assistant_ref(row.judge.assistant)
        if row.judge is not None
        else None,
        "replies": len(row.transcript),
        "configured_by": row.configured_by.name,
        "configured_at": row.configured_at,
    }
