"""`/otlp`: evaluation events from OpenTelemetry exporters, how they are read, and what arrived that was not."""

import zlib
from datetime import datetime
from typing import Annotated, Any, NotRequired, TypedDict

from django.conf import settings
from django.http import HttpResponse
from django.utils import timezone
from ninja import Query
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

from mintmark.accounts.models import Team
from mintmark.core import errors
from mintmark.telemetry import arrivals, evaluations, mappings, records
from mintmark.telemetry.evaluations import Receipt
from mintmark.telemetry.mappings import OtlpMapping

from . import answers, permissions, refusals
from .credentials import Request
from .routes import Routes

routes = Routes(tag="otlp")

PROTOBUF = "application/x-protobuf"
MOST_BYTES = 8 * 2**20
"""Of an export once it is unpacked."""
_GZIP = 16 + zlib.MAX_WBITS
_CAUSES_TOLD = 5

OfTeam = Annotated[
    str | None,
    Query(None, max_length=64, description="the team; without it the caller's own"),
]


class Partial(TypedDict):
    """What was not recorded, and why; OTLP writes the number as a text."""

    rejectedLogRecords: str
    errorMessage: str


class Exported(TypedDict):
    """OTLP's answer; empty where everything was recorded."""

    partialSuccess: NotRequired[Partial]


class MappingShape(TypedDict):
    """The mapping in force; `version` 0 where a team never set one, and then nothing is recorded."""

    team: str
    version: int
    document: dict[str, Any]
    set_by: str | None
    set_at: datetime | None


class ArrivalShape(TypedDict):
    """How often the same came of events: `fate` is recorded, repeated, seen (an attribute that rejected events had), or
    the cause of a rejection, which `says` tells in words."""

    fate: str
    attribute: str
    value: str
    count: int
    says: str
    first_at: datetime
    last_at: datetime


class Arrivals(TypedDict):
    """Everything that is counted of a team, the most frequent first."""

    team: str
    items: list[ArrivalShape]


@routes.raw_post(
    "/otlp/v1/logs",
    scope="evidence",
    body=records.Export,
    answer=Exported,
    refuses=(404,),
    also=(PROTOBUF,),
)
def received(request: Request, team: OfTeam) -> HttpResponse:
    """Take OTLP's export of logs, in JSON or protobuf, plain or in gzip: the evaluation events in it become evidence.

    Each `gen_ai.evaluation.result` is read by the mapping of the team. What it does not read is counted, and the
    answer's partial success says how many and why; the rest is recorded. An event that is sent again is recorded no
    second time. It takes the role operator in the team, or the key of an assistant of it, which tells of itself alone.
    """
    is_protobuf = request.content_type == PROTOBUF
    raw = _unpacked(request)
    found = records.from_protobuf(raw) if is_protobuf else records.from_json(raw)
    receipt = evaluations.receive(
        caller=request.auth, team=_team(request, team), records=found, now=timezone.now()
    )
    return _answer(receipt, is_protobuf=is_protobuf)


@routes.get("/otlp/mapping", scope="read", answer=MappingShape, refuses=(404,))
def mapping(request: Request, team: OfTeam) -> MappingShape:
    """Show how a team's evaluation events are read: to those of the team and to auditors."""
    whose = _team(request, team)
    mappings.require_reader(caller=request.auth, team=whose)
    return _mapping(whose)


@routes.put(
    "/otlp/mapping", scope="registry", body=OtlpMapping, answer=MappingShape, refuses=(404,)
)
def mapping_put(request: Request, team: OfTeam, body: OtlpMapping) -> MappingShape:
    """Say how a team's evaluation events are read from now on. It takes the role operator in the team."""
    whose = _team(request, team)
    mappings.put(caller=request.auth, team=whose, document=body, now=timezone.now())
    return _mapping(whose)


@routes.get("/otlp/arrivals", scope="read", answer=Arrivals, refuses=(404,))
def counted(request: Request, team: OfTeam) -> Arrivals:
    """Say what became of a team's events, and what of those that were rejected could not be read."""
    whose = _team(request, team)
    return {
        "team": whose.name,
        "items": [
            {
                "fate": row.fate,
                "attribute": row.attribute,
                "value": row.value,
                "count": row.count,
                "says": arrivals.CAUSES.get(row.fate, ""),
                "first_at": row.first_at,
                "last_at": row.last_at,
            }
            for row in arrivals.of(caller=request.auth, team=whose)
        ],
    }


@routes.delete("/otlp/arrivals", scope="registry", refuses=(404,))
def forgotten(request: Request, team: OfTeam) -> None:
    """Begin to count a team's events anew; evidence stays. It takes the role operator in the team."""
    arrivals.forget(caller=request.auth, team=_team(request, team))


def _team(request: Request, name: str | None) -> Team:
    if name is None:
        return permissions.team_of(request.auth, name=None)
    found = Team.objects.filter(name=name).first()
    if found is None:
        raise errors.NotFound(f"There is no team {name!r}.")
    return found


def _mapping(team: Team) -> MappingShape:
    row = mappings.current(team=team)
    return {
        "team": team.name,
        "version": row.version if row else 0,
        "document": mappings.document(row).model_dump(mode="json"),
        "set_by": row.set_by.name if row else None,
        "set_at": row.set_at if row else None,
    }


def _unpacked(request: Request) -> bytes:
    """The body without its packing. What unpacks to more than is taken is left packed."""
    packing = (request.headers.get("Content-Encoding") or "identity").strip().lower()
    if packing not in ("gzip", "identity"):
        raise refusals.UnsupportedMediaType(
            f"The body is packed as {packing[:40]!r}; send gzip, or plain."
        )
    raw, most = request.body, min(MOST_BYTES, settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
    if packing == "gzip":
        unpacking = zlib.decompressobj(_GZIP)
        try:
            raw = unpacking.decompress(raw, most + 1)
        except zlib.error as broken:
            raise records.InvalidTelemetry("The body is called gzip and is none.") from broken
        if not unpacking.eof and len(raw) <= most:
            raise records.InvalidTelemetry("The gzip of the body ends too early.")
    if len(raw) > most:
        raise refusals.BodyTooLarge(
            f"The export is larger than the {most:,} bytes that are taken; send smaller batches."
        )
    return raw


def _answer(receipt: Receipt, *, is_protobuf: bool) -> HttpResponse:
    rejected, says = receipt.rejected_in_all, _says(receipt)
    if is_protobuf:
        message = ExportLogsServiceResponse()
        if rejected:
            message.partial_success.rejected_log_records = rejected
            message.partial_success.error_message = says
        response = answers.write_answer(message.SerializeToString(), status=200)
        response["Content-Type"] = PROTOBUF
        return response
    body: Exported = {}
    if rejected:
        body["partialSuccess"] = {"rejectedLogRecords": str(rejected), "errorMessage": says}
    return answers.write_answer(answers.write(body, shape=Exported), status=200)


def _says(receipt: Receipt) -> str:
    """The most frequent causes, in a line."""
    causes = sorted(receipt.rejected.items(), key=lambda each: (-each[1], each[0].sentence))
    told = [f"{n} × {fate.sentence}" for fate, n in causes[:_CAUSES_TOLD]]
    more = len(causes) - len(told)
    return "; ".join(told) + (f"; and {more} causes more" if more > 0 else "")
