"""`/evidence`: the door by which evidence comes in over HTTP, and one event with what it moved."""

import re
from datetime import datetime
from typing import Annotated, Any, NotRequired, TypedDict

import pydantic
from django.http import HttpResponse
from django.utils import timezone
from ninja import Query
from pydantic import ConfigDict, Field, TypeAdapter

from mintmark.core import errors, kinds
from mintmark.market.marketplace import SymbolicPromptTokenMarketplace
from mintmark.reputation.answers import EvidenceRow
from mintmark.reputation.ledger import PromptReputationLedger
from mintmark.trust import intake, projector

from . import answers, bodies, shapes
from .bodies import Id
from .credentials import Request
from .routes import Routes

routes = Routes(tag="evidence")

MAX_BATCH = 1_000
WAIT_SECONDS = 10.0
SOURCE = "api"

_STRICT = ConfigDict(strict=True, extra="forbid")
_OUTCOME = kinds.Kind.OUTCOME.name.lower()
KINDS = [kind.name.lower() for kind in kinds.Kind]


def _says(**schema: Any) -> Any:
    """Bounds as the schema shows them; `trust.intake` checks them, so that every bad row is named at once."""
    return Field(json_schema_extra=schema)


Reference = Annotated[int | str, Field(description="an id or a name")]


class NewEvent(TypedDict):
    """One piece of evidence; `score` is the mean of `runs` binary runs, `key` is unique for each event of a caller."""

    __pydantic_config__ = _STRICT  # type: ignore[misc]

    kind: Annotated[str, _says(enum=KINDS)]
    prompt: Reference
    score: Annotated[float, _says(minimum=0, maximum=1)]
    key: Annotated[str, _says(minLength=1, maxLength=200)]
    assistant: NotRequired[Reference | None]
    ritual: NotRequired[Reference | None]
    runs: NotRequired[Annotated[int, _says(minimum=1, maximum=intake.MAX_RUNS)]]
    tags: NotRequired[tuple[str, ...]]
    note: NotRequired[Annotated[str, _says(maxLength=400)]]
    occurred_at: NotRequired[datetime | None]


class NewBatch(TypedDict):
    """A batch: all of it is recorded, or nothing."""

    __pydantic_config__ = _STRICT  # type: ignore[misc]

    events: Annotated[list[NewEvent], Field(max_length=MAX_BATCH)]


class ReceiptShape(TypedDict):
    """What was done. `event` is the event a reader waits for to see it all; `folded`: scores include it now."""

    recorded: int
    repeated: int
    batch: int | None
    event: int
    folded: bool


class EventShape(TypedDict):
    """An event. `expected`: what the pair's trust foresaw; `moved`: by how much it moved the prompt's trust score; both
    null until it is folded, or where they do not apply. `admissible`: whether this judgement may count."""

    id: int
    kind: str
    assistant: shapes.Named | None
    actor: str
    ritual: str | None
    score: shapes.Score
    runs: int
    expected: float | None
    moved: float | None
    occurred_at: datetime
    note: str
    tags: list[str]
    admissible: bool


_ONE: TypeAdapter[NewEvent] = TypeAdapter(NewEvent)
_MANY: TypeAdapter[list[NewEvent]] = TypeAdapter(
    Annotated[list[NewEvent], Field(max_length=MAX_BATCH)]
)
_BATCH: TypeAdapter[NewBatch] = TypeAdapter(NewBatch)
# A batch has one member and admits no other, so its first bytes tell it from an event.
_IS_BATCH = re.compile(rb'\s*\{\s*"events"\s*:')
_IS_LIST = re.compile(rb"\s*\[")


@routes.raw_post(
    "/evidence", scope="evidence", body=NewEvent | NewBatch | list[NewEvent], answer=ReceiptShape
)
def recorded(
    request: Request,
    wait: Annotated[bool, Query(False, description="answer once scores include the events")],
) -> HttpResponse:
    """Record evidence: one event, `{"events": […]}` or a list of up to 1,000.

    All of it is recorded or nothing, and the error names every bad row. A key sent again with the same event is counted
    as repeated and recorded no second time; with another event it is refused. With `wait` the answer comes once scores
    include it, or after 10 s with `folded` false: it is recorded all the same. Warranties that the outcomes decide are
    settled at once.
    """
    now = timezone.now()
    claims = _claims(request.body)
    receipt = intake.record(caller=request.auth, claims=claims, source=SOURCE, now=now)
    if receipt.batch is not None and any(claim.kind == _OUTCOME for claim in claims):
        SymbolicPromptTokenMarketplace().settle_measured(batch=receipt.batch, now=now)
    folded = receipt.folded or (wait and _waited(receipt.event, now=now))
    body: ReceiptShape = {
        "recorded": receipt.recorded,
        "repeated": receipt.repeated,
        "batch": receipt.batch,
        "event": receipt.event,
        "folded": folded,
    }
    return answers.write_answer(answers.write(body, shape=ReceiptShape), status=200)


@routes.get("/evidence/{int:event_id}", scope="read", answer=EventShape)
def shown(request: Request, event_id: Id) -> EventShape:
    """Show an event with what was expected of it and what it moved."""
    row = PromptReputationLedger().event(event_id=event_id)
    if row is None:
        raise errors.NotFound(f"There is no event {event_id}.")
    return shape(row)


def shape(row: EvidenceRow) -> EventShape:
    """An event as every list of events shows it."""
    named: shapes.Named | None = None
    if row.assistant is not None and row.assistant_id is not None:
        named = {"id": row.assistant_id, "name": row.assistant}
    return {
        "id": row.event,
        "kind": row.kind,
        "assistant": named,
        "actor": row.actor,
        "ritual": row.ritual,
        "score": row.score,
        "runs": row.runs,
        "expected": row.expected,
        "moved": row.moved,
        "occurred_at": row.occurred_at,
        "note": row.note,
        "tags": list(row.tags),
        "admissible": row.admissible,
    }


def _claims(raw: bytes) -> list[intake.Claim]:
    bodies.refuse_nul(raw)
    try:
        if _IS_LIST.match(raw):
            events = _MANY.validate_json(raw)
        elif _IS_BATCH.match(raw):
            events = _BATCH.validate_json(raw)["events"]
        else:
            events = [_ONE.validate_json(raw)]
    except pydantic.ValidationError as invalid:
        raise _refusal(invalid) from None
    return [intake.Claim(**event) for event in events]  # type: ignore[misc]  # its config is no key


def _refusal(invalid: pydantic.ValidationError) -> errors.Refusal:
    """What pydantic found, by rows where it lies in a row."""
    found = invalid.errors(include_url=False, include_context=False)
    if found[0]["type"] in ("json_invalid", "too_long", "list_type", "dict_type"):
        return bodies.refusal(invalid)
    rows: dict[tuple[int, str], errors.Row] = {}
    for problem in found:
        location = [step for step in problem["loc"] if step != "events"]
        row = int(location.pop(0)) if location and isinstance(location[0], int) else 0
        field = str(location[0]) if location else "event"
        message = bodies.sentence(problem["msg"])
        value = None if problem["type"] == "missing" else problem["input"]
        if (row, field) in rows:  # the other branch of a union
            message = f"{rows[row, field]['message']} {message}"
        rows[row, field] = errors.Row(row=row, field=field, value=value, message=message)
    first = next(iter(rows.values()))
    more = f" ({len(rows)} such problems.)" if len(rows) > 1 else ""
    return intake.InvalidEvidence(
        f"Row {first['row']}, {first['field']}: {first['message']}{more}", rows=list(rows.values())
    )


def _waited(event: int, *, now: datetime) -> bool:
    try:
        projector.wait_for(event, seconds=WAIT_SECONDS, now=now)
    except projector.NotFolded:
        return False
    return True
