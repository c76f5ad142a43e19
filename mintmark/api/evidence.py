"""`/evidence`: the door by which evidence comes in over HTTP, and one event with what it moved."""

import re
from datetime import datetime
from typing import Annotated, Any, NotRequired, TypedDict

import pydantic
from django.http import HttpResponse
from django.utils import timezone
from ninja import Query
from pydantic import ConfigDict, Field, TypeAdapter

from mintmark.common import errors, evidence_kinds
from mintmark.evidence.log import CaseVerdict
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.projection import projector
from mintmark.reputation.ledger import PromptReputationLedger
from mintmark.reputation.results import EvidenceRow
from mintmark.trust import intake

from . import request_body, responses, schemas
from .authentication import AuthenticatedRequest
from .endpoints import Routes
from .request_body import Id

routes = Routes(tag="evidence")

MAX_BATCH = 1_000
WAIT_SECONDS = 10.0
SOURCE = "api"

_STRICT = ConfigDict(strict=True, extra="forbid")
KINDS = [kind.name.lower() for kind in sorted(evidence_kinds.REPORTABLE)]


def _describe_bounds(**schema: Any) -> Any:
    """Bounds as the schema shows them; `trust.intake` checks them, so that every bad row is named at once."""
    return Field(json_schema_extra=schema)


IdOrName = Annotated[int | str, Field(description="an id or a name")]


class NewCase(TypedDict):
    """What one case of an outcome gave: its mean `score` over `runs` (1 unless given). `output_digest` is the SHA-256
    of its output, in hexadecimal digits."""

    __pydantic_config__ = _STRICT  # type: ignore[misc]

    case_id: Annotated[str, _describe_bounds(minLength=1, maxLength=200)]
    score: Annotated[float, _describe_bounds(minimum=0, maximum=1)]
    runs: NotRequired[Annotated[int, _describe_bounds(minimum=1, maximum=intake.MAX_RUNS)]]
    output_digest: NotRequired[Annotated[str, _describe_bounds(pattern="^[0-9a-f]{64}$")]]


class NewEvent(TypedDict):
    """One piece of evidence; `score` is the mean of `runs` binary runs, `key` is unique for each event of a caller.
    `cases` say what each case of an outcome gave, so that it can be checked; their mean is the score."""

    __pydantic_config__ = _STRICT  # type: ignore[misc]

    kind: Annotated[str, _describe_bounds(enum=KINDS)]
    prompt: IdOrName
    score: Annotated[float, _describe_bounds(minimum=0, maximum=1)]
    key: Annotated[str, _describe_bounds(minLength=1, maxLength=200)]
    assistant: NotRequired[IdOrName | None]
    ritual: NotRequired[IdOrName | None]
    runs: NotRequired[Annotated[int, _describe_bounds(minimum=1, maximum=intake.MAX_RUNS)]]
    tags: NotRequired[tuple[str, ...]]
    note: NotRequired[Annotated[str, _describe_bounds(maxLength=400)]]
    occurred_at: NotRequired[datetime | None]
    cases: NotRequired[Annotated[list[NewCase], Field(max_length=intake.MAX_CASES)]]


class NewEventBatch(TypedDict):
    """A batch: all of it is recorded, or nothing."""

    __pydantic_config__ = _STRICT  # type: ignore[misc]

    events: Annotated[list[NewEvent], Field(max_length=MAX_BATCH)]


class RecordResultOut(TypedDict):
    """What was done. `event` is the event a reader waits for to see it all; `projected`: scores include it now."""

    recorded: int
    repeated: int
    batch: int | None
    event: int
    projected: bool


class EventOut(TypedDict):
    """An event. `expected`: the score that the pair's trust predicted; `effect`: the change of the prompt's trust
    score; both are null until the event is projected, or where they do not apply. `admissible`: whether this judgement
    may count. `provenance` is executed, vouched, claim, word, interested or no_right; `counts` says what the event
    counts for, and why."""

    id: int
    kind: str
    assistant: schemas.AssistantRef | None
    actor: str
    ritual: str | None
    score: schemas.Score
    runs: int
    expected: float | None
    effect: float | None
    occurred_at: datetime
    note: str
    tags: list[str]
    admissible: bool
    provenance: str
    counts: str


_EVENT_ADAPTER: TypeAdapter[NewEvent] = TypeAdapter(NewEvent)
_EVENTS_ADAPTER: TypeAdapter[list[NewEvent]] = TypeAdapter(
    Annotated[list[NewEvent], Field(max_length=MAX_BATCH)]
)
_BATCH_ADAPTER: TypeAdapter[NewEventBatch] = TypeAdapter(NewEventBatch)
# A batch has one member and admits no other, so its first bytes tell it from an event.
_IS_BATCH = re.compile(rb'\s*\{\s*"events"\s*:')
_IS_LIST = re.compile(rb"\s*\[")


@routes.post_raw(
    "/evidence",
    scope="evidence",
    body=NewEvent | NewEventBatch | list[NewEvent],
    response_schema=RecordResultOut,
)
def record_evidence(
    request: AuthenticatedRequest,
    wait: Annotated[bool, Query(False, description="answer once scores include the events")],
) -> HttpResponse:
    """Record evidence: one event, `{"events": […]}` or a list of up to 1,000.

    All events are recorded or none, and the error names every bad row. A key that is sent again with the same event is
    counted as repeated and not recorded again; with another event it is refused. With `wait` the response comes once
    scores include the events, or after 10 s with `projected` false; they are recorded in both cases. Warranties that
    the outcomes decide are settled at once.
    """
    now = timezone.now()
    claims = _parse_claims(request.body)
    receipt = SymbolicPromptTokenMarketplace().record_evidence(
        caller=request.auth, claims=claims, source=SOURCE, now=now
    )
    is_projected = receipt.folded or (wait and _wait_until_projected(receipt.event, now=now))
    body: RecordResultOut = {
        "recorded": receipt.recorded,
        "repeated": receipt.repeated,
        "batch": receipt.batch,
        "event": receipt.event,
        "projected": is_projected,
    }
    return responses.build_write_response(
        responses.dump_json(body, schema=RecordResultOut), status=200
    )


@routes.get("/evidence/{int:event_id}", scope="read", response_schema=EventOut)
def get_event(request: AuthenticatedRequest, event_id: Id) -> EventOut:
    """Show an event with its expected score and its effect on the score."""
    row = PromptReputationLedger().get_event(event_id=event_id)
    if row is None:
        raise errors.NotFound(f"There is no event {event_id}.")
    return serialize_event(row)


def serialize_event(row: EvidenceRow) -> EventOut:
    """An event as every list of events shows it."""
    assistant: schemas.AssistantRef | None = None
    if row.assistant is not None and row.assistant_id is not None:
        assistant = {"id": row.assistant_id, "name": row.assistant}
    return {
        "id": row.event,
        "kind": row.kind,
        "assistant": assistant,
        "actor": row.actor,
        "ritual": row.ritual,
        "score": row.score,
        "runs": row.runs,
        "expected": row.expected,
        "effect": row.moved,
        "occurred_at": row.occurred_at,
        "note": row.note,
        "tags": list(row.tags),
        "admissible": row.admissible,
        "provenance": row.provenance,
        "counts": row.counts,
    }


def _parse_claims(raw: bytes) -> list[intake.EvidenceClaim]:
    request_body.refuse_nul_characters(raw)
    try:
        if _IS_LIST.match(raw):
            events = _EVENTS_ADAPTER.validate_json(raw)
        elif _IS_BATCH.match(raw):
            events = _BATCH_ADAPTER.validate_json(raw)["events"]
        else:
            events = [_EVENT_ADAPTER.validate_json(raw)]
    except pydantic.ValidationError as invalid:
        raise _convert_validation_error(invalid) from None
    return [_build_claim(event) for event in events]


def _build_claim(event: NewEvent) -> intake.EvidenceClaim:
    rest = {name: value for name, value in event.items() if name != "cases"}
    cases = tuple(CaseVerdict(**case) for case in event.get("cases", []))  # type: ignore[misc]
    return intake.EvidenceClaim(**rest, cases=cases)  # type: ignore[arg-type]


def _convert_validation_error(invalid: pydantic.ValidationError) -> errors.DomainError:
    """What pydantic found, by rows where it lies in a row."""
    validation_errors = invalid.errors(include_url=False, include_context=False)
    if validation_errors[0]["type"] in ("json_invalid", "too_long", "list_type", "dict_type"):
        return request_body.convert_validation_error(invalid)
    rows: dict[tuple[int, str], errors.FieldError] = {}
    for problem in validation_errors:
        location = [step for step in problem["loc"] if step != "events"]
        row = int(location.pop(0)) if location and isinstance(location[0], int) else 0
        field = str(location[0]) if location else "event"
        message = request_body.to_sentence(problem["msg"])
        value = None if problem["type"] == "missing" else problem["input"]
        if (row, field) in rows:  # the other branch of a union
            message = f"{rows[row, field]['message']} {message}"
        rows[row, field] = errors.FieldError(row=row, field=field, value=value, message=message)
    first = next(iter(rows.values()))
    count_text = f" ({len(rows)} such problems.)" if len(rows) > 1 else ""
    return intake.InvalidEvidence(
        f"Row {first['row']}, {first['field']}: {first['message']}{count_text}",
        rows=list(rows.values()),
    )


def _wait_until_projected(event: int, *, now: datetime) -> bool:
    try:
        projector.wait_for(event, seconds=WAIT_SECONDS, now=now)
    except projector.ProjectionPending:
        return False
    return True
