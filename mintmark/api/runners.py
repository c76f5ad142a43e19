"""`/assistants/{id}/runner`: how an assistant is reached when a ritual runs it; never the key itself."""

from datetime import datetime
from typing import Annotated, Any, Literal, TypedDict

from django.utils import timezone
from pydantic import Field

from mintmark.core import errors
from mintmark.registry import assistants
from mintmark.registry.models import Assistant
from mintmark.rituals import configurations, trials
from mintmark.rituals.models import Runner
from mintmark.rituals.runners import transcript

from . import amounts, lookups, shapes
from .amounts import Limit, Tokens
from .bodies import Body, Id, Reference
from .credentials import Request
from .routes import Routes

routes = Routes(tag="runners")

Kind = Literal["openai", "transcript", "rehearsal"]


class RunnerShape(TypedDict):
    """How an assistant is reached. `key_name` names the environment variable that holds the key, `replies` counts those
    of a transcript. Prices are for 1,000 tokens, in `currency`."""

    assistant: shapes.Named
    kind: Kind
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
    judge: shapes.Named | None
    replies: int
    configured_by: str
    configured_at: datetime


class NewRunner(Body):
    """How an assistant is reached from now on. `transcript` is a list of replies, each with `case` and `output`."""

    kind: Kind
    base_url: Annotated[str, Field(max_length=500)] = ""
    model: Annotated[str, Field(max_length=200)] = ""
    key_name: Annotated[str, Field(max_length=200)] = ""
    timeout_seconds: float = 60.0
    attempts: int = 4
    at_once: int = 4
    per_minute: int = 0
    price_in: Limit = "0"
    price_out: Limit = "0"
    currency: Annotated[str, Field(max_length=8)] = "USD"
    cost_cap: Limit | None = None
    judge: Id | Reference | None = None
    transcript: list[dict[str, Any]] | None = None


@routes.get("/assistants/{int:assistant_id}/runner", scope="read", answer=RunnerShape)
def shown(request: Request, assistant_id: Id) -> RunnerShape:
    """Show how an assistant is reached: to its team."""
    assistant = lookups.by_id(Assistant.objects.all(), pk=assistant_id)
    rows = configurations.visible_to(caller=request.auth).select_related("configured_by")
    found = rows.filter(assistant=assistant).first()
    if found is None:
        raise errors.NotFound(
            f"Nobody has said how {assistant} is reached, or it is another team's."
        )
    return _shape(found)


class Trying(Body):
    """How many seconds the call is waited for at most; never longer than a run would wait."""

    seconds: Annotated[float, Field(ge=0.1, le=trials.LONGEST_SECONDS)]


class TrialShape(TypedDict):
    """What came of a test call. `problem` is a code such as `timed_out` or `status_401`, "" where it `answers`. The
    reply itself is not shown."""

    answers: bool
    model: str
    problem: str
    says: str
    latency_ms: float | None
    tokens_in: int | None
    tokens_out: int | None


@routes.ask(
    "/assistants/{int:assistant_id}/runner/try", scope="registry", body=Trying, answer=TrialShape
)
def tried(request: Request, assistant_id: Id, body: Trying) -> TrialShape:
    """Ask an assistant's endpoint for one word, and say whether it answers, and how fast. Nothing is recorded.

    It takes the role operator in its team; the endpoint may charge for it.
    """
    assistant = lookups.by_id(Assistant.objects.select_related("team"), pk=assistant_id)
    found = trials.call(caller=request.auth, assistant=assistant, seconds=body.seconds)
    return {
        "answers": found.answers,
        "model": found.model,
        "problem": found.problem,
        "says": found.says,
        "latency_ms": found.latency_ms,
        "tokens_in": found.tokens_in,
        "tokens_out": found.tokens_out,
    }


@routes.put(
    "/assistants/{int:assistant_id}/runner",
    scope="registry",
    body=NewRunner,
    answer=RunnerShape,
)
def configured(request: Request, assistant_id: Id, body: NewRunner) -> RunnerShape:
    """Say how an assistant is reached, in the place of what was said before; runs under way go on as they began.

    It takes the role operator in its team (and in the judge's). `key_name` names a variable of the processes that run
    rituals, `MINTMARK_RUNNER_TEAM__…`; a key is sent nowhere but to the endpoint, and never here.
    """
    row = configurations.configure(
        caller=request.auth,
        assistant=lookups.by_id(Assistant.objects.select_related("team"), pk=assistant_id),
        setup=configurations.Setup(
            kind=body.kind,
            base_url=body.base_url,
            model=body.model,
            key_name=body.key_name,
            timeout_seconds=body.timeout_seconds,
            attempts=body.attempts,
            at_once=body.at_once,
            per_minute=body.per_minute,
            price_in_micro=amounts.limit(body.price_in),
            price_out_micro=amounts.limit(body.price_out),
            currency=body.currency,
            cost_cap_micro=None if body.cost_cap is None else amounts.limit(body.cost_cap),
            judge=assistants.named(reference=str(body.judge)) if body.judge is not None else None,
            transcript=None if body.transcript is None else transcript.checked(body.transcript),
        ),
        now=timezone.now(),
    )
    return _shape(row)


def _shape(row: Runner) -> RunnerShape:
    return {
        "assistant": shapes.assistant(row.assistant),
        "kind": row.kind,  # type: ignore[typeddict-item]  # one of the three
        "base_url": row.base_url,
        "model": row.model,
        "key_name": row.key_name,
        "timeout_seconds": row.timeout_seconds,
        "attempts": row.attempts,
        "at_once": row.at_once,
        "per_minute": row.per_minute,
        "price_in": amounts.shown(row.price_in_micro),
        "price_out": amounts.shown(row.price_out_micro),
        "currency": row.currency,
        "cost_cap": None if row.cost_cap_micro is None else amounts.shown(row.cost_cap_micro),
        "judge": shapes.assistant(row.judge.assistant) if row.judge is not None else None,
        "replies": len(row.transcript),
        "configured_by": row.configured_by.name,
        "configured_at": row.configured_at,
    }
