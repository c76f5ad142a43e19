"""OTLP's log records, read from either of its encodings: what they are called, when they were, their attributes.

Bodies are passed over, and so are attributes that are lists or mappings: no evaluation is told in them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

import pydantic
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from pydantic import Field, TypeAdapter

from mintmark.common import errors

MAX_RECORDS = 10_000

type AttributeValue = str | bool | int | float


class InvalidTelemetry(errors.DomainError):
    """A body is no OTLP export of logs, or holds more records than are taken; nothing of it was recorded."""

    code = "invalid_telemetry"


@dataclass(frozen=True, slots=True, kw_only=True)
class OtlpLogRecord:
    """One log record. `attributes` are its own over those of its resource; `at_nano` is 0 where it says no time, and
    `trace` and `span` are in hex, empty where it has none."""

    event: str
    at_nano: int
    trace: str
    span: str
    attributes: dict[str, AttributeValue]


type _Int64 = Annotated[int, Field(ge=-(2**63), lt=2**63)]
type UnixNano = Annotated[int, Field(ge=0, lt=2**64)]


class _AnyValue(TypedDict, total=False):
    stringValue: str | None
    boolValue: bool | None
    intValue: _Int64 | None
    doubleValue: float | None


class KeyValue(TypedDict, total=False):
    """An attribute as JSON has it."""

    key: str
    value: _AnyValue | None


class _LogRecord(TypedDict, total=False):
    timeUnixNano: UnixNano | None
    observedTimeUnixNano: UnixNano | None
    eventName: str | None
    attributes: list[KeyValue] | None
    traceId: str | None
    spanId: str | None


class _ScopeLogs(TypedDict, total=False):
    logRecords: list[_LogRecord] | None


class Resource(TypedDict, total=False):
    """What sent an export, by its attributes."""

    attributes: list[KeyValue] | None


class _ResourceLogs(TypedDict, total=False):
    resource: Resource | None
    scopeLogs: list[_ScopeLogs] | None


class OtlpLogExport(TypedDict, total=False):
    """OTLP's `ExportLogsServiceRequest` as JSON, as far as it is read; other members are passed over."""

    resourceLogs: list[_ResourceLogs] | None


_EXPORT_ADAPTER: TypeAdapter[OtlpLogExport] = TypeAdapter(OtlpLogExport)


def parse_protobuf(raw: bytes) -> list[OtlpLogRecord]:
    """The records of a binary export. `InvalidTelemetry` where it is none."""
    try:
        export = ExportLogsServiceRequest.FromString(raw)
    except DecodeError as error:
        raise InvalidTelemetry("The body is no ExportLogsServiceRequest in protobuf.") from error
    _require_within_limit(
        sum(len(s.log_records) for r in export.resource_logs for s in r.scope_logs)
    )
    return list(_iterate_protobuf_records(export))


def parse_json(raw: bytes) -> list[OtlpLogRecord]:
    """The records of an export in JSON. `InvalidTelemetry` where it is none, with the place."""
    try:
        export = _EXPORT_ADAPTER.validate_json(raw)
    except pydantic.ValidationError as invalid:
        first = invalid.errors(include_url=False, include_context=False, include_input=False)[0]
        location = ".".join(map(str, first["loc"]))
        raise InvalidTelemetry(
            f"The body is no OTLP export of logs in JSON: {location or 'the whole'}: {first['msg'][:200]}."
        ) from None
    resources = export.get("resourceLogs") or []
    _require_within_limit(
        sum(
            len(scope.get("logRecords") or [])
            for resource in resources
            for scope in resource.get("scopeLogs") or []
        )
    )
    return list(_iterate_json_records(resources))


def _require_within_limit(count: int) -> None:
    if count > MAX_RECORDS:
        raise InvalidTelemetry(
            f"The export has {count:,} records; send at most {MAX_RECORDS:,} at a time."
        )


def _iterate_protobuf_records(export: ExportLogsServiceRequest) -> Iterator[OtlpLogRecord]:
    for resource in export.resource_logs:
        shared = extract_protobuf_attributes(resource.resource.attributes)
        for scope in resource.scope_logs:
            for record in scope.log_records:
                attributes = shared | extract_protobuf_attributes(record.attributes)
                yield OtlpLogRecord(
                    event=record.event_name or _text_or_empty(attributes.get("event.name")),
                    at_nano=record.time_unix_nano or record.observed_time_unix_nano,
                    trace=record.trace_id.hex(),
                    span=record.span_id.hex(),
                    attributes=attributes,
                )


def extract_protobuf_attributes(pairs: Any) -> dict[str, AttributeValue]:
    """Attributes with a plain value, of protobuf's pairs."""
    attributes: dict[str, AttributeValue] = {}
    for pair in pairs:
        value_type = pair.value.WhichOneof("value")
        if value_type in ("string_value", "bool_value", "int_value", "double_value"):
            attributes[pair.key] = getattr(pair.value, value_type)
    return attributes


def _iterate_json_records(resources: list[_ResourceLogs]) -> Iterator[OtlpLogRecord]:
    for resource in resources:
        shared = extract_json_attributes((resource.get("resource") or {}).get("attributes"))
        for scope in resource.get("scopeLogs") or []:
            for record in scope.get("logRecords") or []:
                attributes = shared | extract_json_attributes(record.get("attributes"))
                at_nano = record.get("timeUnixNano") or record.get("observedTimeUnixNano")
                yield OtlpLogRecord(
                    event=record.get("eventName") or _text_or_empty(attributes.get("event.name")),
                    at_nano=at_nano or 0,
                    trace=(record.get("traceId") or "").lower(),
                    span=(record.get("spanId") or "").lower(),
                    attributes=attributes,
                )


def extract_json_attributes(pairs: list[KeyValue] | None) -> dict[str, AttributeValue]:
    """Attributes with a plain value, of JSON's pairs."""
    attributes: dict[str, AttributeValue] = {}
    for pair in pairs or []:
        value = next(
            (
                candidate
                for candidate in (pair.get("value") or {}).values()
                if candidate is not None
            ),
            None,
        )
        if isinstance(value, str | bool | int | float):
            attributes[pair.get("key", "")] = value
    return attributes


def _text_or_empty(value: AttributeValue | None) -> str:
    return value if isinstance(value, str) else ""
