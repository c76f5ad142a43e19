"""`/otlp`: evaluation events from OpenTelemetry exporters, how they are read, and what arrived that was not."""

import zlib
from datetime import datetime
from typing import Annotated, Any, NotRequired, TypedDict

from django.conf import settings
from django.http import HttpResponse
from django.utils import timezone
from ninja import Query
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from mintmark.accounts.models import Team
from mintmark.common import errors
from mintmark.otlp import ingest, ingest_counts, mappings, parser, span_parser
from mintmark.otlp.ingest import IngestResult
from mintmark.otlp.mappings import OtlpMappingDocument

from . import api_errors, permissions, responses
from .authentication import AuthenticatedRequest
from .endpoints import Routes

routes = Routes(tag="otlp")

PROTOBUF = "application/x-protobuf"
MAX_BYTES = 8 * 2**20
"""Of an export once it is unpacked."""
_GZIP_WBITS = 16 + zlib.MAX_WBITS
_MAX_CAUSES = 5

TeamFilter = Annotated[
    str | None,
    Query(None, max_length=64, description="the team; without it the caller's own"),
]


class PartialSuccess(TypedDict):
    """What was not recorded, and why; OTLP writes the number as a text."""

    rejectedLogRecords: str
    errorMessage: str


class ExportLogsResponse(TypedDict):
    """OTLP's answer; empty where everything was recorded."""

    partialSuccess: NotRequired[PartialSuccess]


class PartialTraceSuccess(TypedDict):
    """How many evaluations on spans were not recorded, and why."""

    rejectedSpans: str
    errorMessage: str


class ExportTracesResponse(TypedDict):
    """OTLP's answer; empty where every evaluation on the spans was recorded, or none was on them."""

    partialSuccess: NotRequired[PartialTraceSuccess]


class OtlpMappingOut(TypedDict):
    """The mapping in force; `version` 0 where a team never set one, and then nothing is recorded."""

    team: str
    version: int
    document: dict[str, Any]
    set_by: str | None
    set_at: datetime | None


class OtlpIngestCountOut(TypedDict):
    """How often the same came of events: `fate` is recorded, repeated, seen (an attribute that rejected events had), or
    the cause of a rejection, which `message` explains."""

    fate: str
    attribute: str
    value: str
    count: int
    message: str
    first_at: datetime
    last_at: datetime


class OtlpIngestCountsOut(TypedDict):
    """Everything that is counted of a team, the most frequent first."""

    team: str
    items: list[OtlpIngestCountOut]


@routes.post_raw(
    "/otlp/v1/logs",
    scope="evidence",
    body=parser.OtlpLogExport,
    response_schema=ExportLogsResponse,
    error_statuses=(404,),
    extra_media_types=(PROTOBUF,),
)
def ingest_otlp_logs(request: AuthenticatedRequest, team: TeamFilter) -> HttpResponse:
    """Take OTLP's export of logs, in JSON or protobuf, plain or in gzip: the evaluation events in it become evidence.

    Each `gen_ai.evaluation.result` is read by the mapping of the team. What it does not read is counted, and the
    answer's partial success says how many and why; the rest is recorded. An event that is sent again is recorded no
    second time. It takes the role operator in the team, or the key of an assistant of it, which tells of itself alone.
    """
    is_protobuf = request.content_type == PROTOBUF
    raw = _decompress_body(request)
    log_records = parser.parse_protobuf(raw) if is_protobuf else parser.parse_json(raw)
    receipt = ingest.ingest(
        caller=request.auth,
        team=_resolve_team(request, team),
        records=log_records,
        now=timezone.now(),
    )
    return _build_response(receipt, is_protobuf=is_protobuf)


@routes.post_raw(
    "/otlp/v1/traces",
    scope="evidence",
    body=span_parser.OtlpTraceExport,
    response_schema=ExportTracesResponse,
    error_statuses=(404,),
    extra_media_types=(PROTOBUF,),
)
def ingest_otlp_traces(request: AuthenticatedRequest, team: TeamFilter) -> HttpResponse:
    """Take OTLP's export of spans, in JSON or protobuf, plain or in gzip: the evaluations on them become evidence.

    An event `gen_ai.evaluation.result` is read as one of a log is. Its agent and prompt are those of its attributes,
    else of its span, else of the nearest span above in the same export. Spans without such an event are passed over.
    """
    is_protobuf = request.content_type == PROTOBUF
    raw = _decompress_body(request)
    parse = span_parser.parse_protobuf if is_protobuf else span_parser.parse_json
    receipt = ingest.ingest(
        caller=request.auth,
        team=_resolve_team(request, team),
        records=parse(raw, event=ingest.EVALUATION_EVENT),
        now=timezone.now(),
        is_partial=True,
    )
    error_message = _summarise_rejections(receipt) if receipt.records else ""
    if is_protobuf:
        message = ExportTraceServiceResponse()
        if error_message:
            message.partial_success.rejected_spans = receipt.rejected_total
            message.partial_success.error_message = error_message
        response = responses.build_write_response(message.SerializeToString(), status=200)
        response["Content-Type"] = PROTOBUF
        return response
    body: ExportTracesResponse = {}
    if error_message:
        body["partialSuccess"] = {
            "rejectedSpans": str(receipt.rejected_total),
            "errorMessage": error_message,
        }
    return responses.build_write_response(
        responses.dump_json(body, schema=ExportTracesResponse), status=200
    )


@routes.get("/otlp/mapping", scope="read", response_schema=OtlpMappingOut, error_statuses=(404,))
def get_otlp_mapping(request: AuthenticatedRequest, team: TeamFilter) -> OtlpMappingOut:
    """Show the mapping of a team's evaluation events, to its members and to auditors."""
    mapping_team = _resolve_team(request, team)
    mappings.require_reader(caller=request.auth, team=mapping_team)
    return _serialize_mapping(mapping_team)


@routes.put(
    "/otlp/mapping",
    scope="registry",
    body=OtlpMappingDocument,
    response_schema=OtlpMappingOut,
    error_statuses=(404,),
)
def set_otlp_mapping(
    request: AuthenticatedRequest, team: TeamFilter, body: OtlpMappingDocument
) -> OtlpMappingOut:
    """Set the mapping of a team's evaluation events. It takes the role operator in the team."""
    mapping_team = _resolve_team(request, team)
    mappings.set_mapping(caller=request.auth, team=mapping_team, document=body, now=timezone.now())
    return _serialize_mapping(mapping_team)


@routes.get(
    "/otlp/arrivals", scope="read", response_schema=OtlpIngestCountsOut, error_statuses=(404,)
)
def list_otlp_counts(request: AuthenticatedRequest, team: TeamFilter) -> OtlpIngestCountsOut:
    """Show how many of a team's events were recorded or rejected, and why."""
    counted_team = _resolve_team(request, team)
    return {
        "team": counted_team.name,
        "items": [
            {
                "fate": row.fate,
                "attribute": row.attribute,
                "value": row.value,
                "count": row.count,
                "message": ingest_counts.REJECTION_CAUSES.get(row.fate, ""),
                "first_at": row.first_at,
                "last_at": row.last_at,
            }
            for row in ingest_counts.list_counts(caller=request.auth, team=counted_team)
        ],
    }


@routes.delete("/otlp/arrivals", scope="registry", error_statuses=(404,))
def reset_otlp_counts(request: AuthenticatedRequest, team: TeamFilter) -> None:
    """Reset the counts of a team's events; evidence stays. It takes the role operator in the team."""
    ingest_counts.reset_counts(caller=request.auth, team=_resolve_team(request, team))


def _resolve_team(request: AuthenticatedRequest, name: str | None) -> Team:
    if name is None:
        return permissions.resolve_team(request.auth, name=None)
    team = Team.objects.filter(name=name).first()
    if team is None:
        raise errors.NotFound(f"There is no team {name!r}.")
    return team


def _serialize_mapping(team: Team) -> OtlpMappingOut:
    row = mappings.get_current_mapping(team=team)
    return {
        "team": team.name,
        "version": row.version if row else 0,
        "document": mappings.load_document(row).model_dump(mode="json"),
        "set_by": row.set_by.name if row else None,
        "set_at": row.set_at if row else None,
    }


def _decompress_body(request: AuthenticatedRequest) -> bytes:
    """The body without its packing. What unpacks to more than is taken is left packed."""
    encoding = (request.headers.get("Content-Encoding") or "identity").strip().lower()
    if encoding not in ("gzip", "identity"):
        raise api_errors.UnsupportedMediaType(
            f"The body is packed as {encoding[:40]!r}; send gzip, or plain."
        )
    raw, max_bytes = request.body, min(MAX_BYTES, settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
    if encoding == "gzip":
        decompressor = zlib.decompressobj(_GZIP_WBITS)
        try:
            raw = decompressor.decompress(raw, max_bytes + 1)
        except zlib.error as error:
            raise parser.InvalidTelemetry("The body is called gzip and is none.") from error
        if not decompressor.eof and len(raw) <= max_bytes:
            raise parser.InvalidTelemetry("The gzip of the body ends too early.")
    if len(raw) > max_bytes:
        raise api_errors.BodyTooLarge(
            f"The export is larger than the {max_bytes:,} bytes that are taken; send smaller batches."
        )
    return raw


def _build_response(receipt: IngestResult, *, is_protobuf: bool) -> HttpResponse:
    rejected, error_message = receipt.rejected_total, _summarise_rejections(receipt)
    if is_protobuf:
        message = ExportLogsServiceResponse()
        if error_message:
            message.partial_success.rejected_log_records = rejected
            message.partial_success.error_message = error_message
        response = responses.build_write_response(message.SerializeToString(), status=200)
        response["Content-Type"] = PROTOBUF
        return response
    body: ExportLogsResponse = {}
    if error_message:
        body["partialSuccess"] = {
            "rejectedLogRecords": str(rejected),
            "errorMessage": error_message,
        }
    return responses.build_write_response(
        responses.dump_json(body, schema=ExportLogsResponse), status=200
    )


def _summarise_rejections(receipt: IngestResult) -> str:
    """The most frequent causes, in a line; a warning, as OTLP has it, where nothing was sent to reject."""
    if not receipt.records:
        return ingest.EMPTY_EXPORT.sentence
    causes = sorted(receipt.rejected.items(), key=lambda cause: (-cause[1], cause[0].sentence))
    sentences = [f"{n} × {outcome.sentence}" for outcome, n in causes[:_MAX_CAUSES]]
    remaining = len(causes) - len(sentences)
    return "; ".join(sentences) + (f"; and {remaining} causes more" if remaining > 0 else "")
