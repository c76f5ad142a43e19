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

from mintmark.core import errors

MOST_RECORDS = 10_000

type Value = str | bool | int | float


class InvalidTelemetry(errors.Refusal):
    """A body is no OTLP export of logs, or holds more records than are taken; nothing of it was recorded."""

    code = "invalid_telemetry"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One log record. `attributes` are its own over those of its resource; `at_nano` is 0 where it says no time, and
    `trace` and `span` are in hex, empty where it has none."""

    event: str
    at_nano: int
    trace: str
    span: str
    attributes: dict[str, Value]


type _Whole = Annotated[int, Field(ge=-(2**63), lt=2**63)]
type _Nano = Annotated[int, Field(ge=0, lt=2**64)]


class _AnyValue(TypedDict, total=False):
    stringValue: str | None
    boolValue: bool | None
    intValue: _Whole | None
    doubleValue: float | None


class _KeyValue(TypedDict, total=False):
    key: str
    value: _AnyValue | None


class _LogRecord(TypedDict, total=False):
    timeUnixNano: _Nano | None
    observedTimeUnixNano: _Nano | None
    eventName: str | None
    attributes: list[_KeyValue] | None
    traceId: str | None
    spanId: str | None


class _ScopeLogs(TypedDict, total=False):
    logRecords: list[_LogRecord] | None


class _Resource(TypedDict, total=False):
    attributes: list[_KeyValue] | None


class _ResourceLogs(TypedDict, total=False):
    resource: _Resource | None
    scopeLogs: list[_ScopeLogs] | None


class Export(TypedDict, total=False):
    """OTLP's `ExportLogsServiceRequest` as JSON, as far as it is read; other members are passed over."""

    resourceLogs: list[_ResourceLogs] | None


_EXPORT: TypeAdapter[Export] = TypeAdapter(Export)


def from_protobuf(raw: bytes) -> list[Record]:
    """The records of a binary export. `InvalidTelemetry` where it is none."""
    try:
        export = ExportLogsServiceRequest.FromString(raw)
    except DecodeError as broken:
        raise InvalidTelemetry("The body is no ExportLogsServiceRequest in protobuf.") from broken
    _bound(sum(len(s.log_records) for r in export.resource_logs for s in r.scope_logs))
    return list(_of_message(export))


def from_json(raw: bytes) -> list[Record]:
    """The records of an export in JSON. `InvalidTelemetry` where it is none, with the place."""
    try:
        export = _EXPORT.validate_json(raw)
    except pydantic.ValidationError as invalid:
        first = invalid.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise InvalidTelemetry(
            f"The body is no OTLP export of logs in JSON: {place or 'the whole'}: {first['msg'][:200]}."
        ) from None
    resources = export.get("resourceLogs") or []
    _bound(
        sum(
            len(scope.get("logRecords") or [])
            for resource in resources
            for scope in resource.get("scopeLogs") or []
        )
    )
    return list(_of_json(resources))


def _bound(count: int) -> None:
    if count > MOST_RECORDS:
        raise InvalidTelemetry(
            f"The export has {count:,} records; send at most {MOST_RECORDS:,} at a time."
        )


def _of_message(export: ExportLogsServiceRequest) -> Iterator[Record]:
    for resource in export.resource_logs:
        shared = _scalars(resource.resource.attributes)
        for scope in resource.scope_logs:
            for record in scope.log_records:
                attributes = shared | _scalars(record.attributes)
                yield Record(
                    event=record.event_name or _text(attributes.get("event.name")),
                    at_nano=record.time_unix_nano or record.observed_time_unix_nano,
                    trace=record.trace_id.hex(),
                    span=record.span_id.hex(),
                    attributes=attributes,
                )


def _scalars(pairs: Any) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for pair in pairs:
        which = pair.value.WhichOneof("value")
        if which in ("string_value", "bool_value", "int_value", "double_value"):
            found[pair.key] = getattr(pair.value, which)
    return found


def _of_json(resources: list[_ResourceLogs]) -> Iterator[Record]:
    for resource in resources:
        shared = _plain((resource.get("resource") or {}).get("attributes"))
        for scope in resource.get("scopeLogs") or []:
            for record in scope.get("logRecords") or []:
                attributes = shared | _plain(record.get("attributes"))
                at_nano = record.get("timeUnixNano") or record.get("observedTimeUnixNano")
                yield Record(
                    event=record.get("eventName") or _text(attributes.get("event.name")),
                    at_nano=at_nano or 0,
                    trace=(record.get("traceId") or "").lower(),
                    span=(record.get("spanId") or "").lower(),
                    attributes=attributes,
                )


def _plain(pairs: list[_KeyValue] | None) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for pair in pairs or []:
        value = next((one for one in (pair.get("value") or {}).values() if one is not None), None)
        if isinstance(value, str | bool | int | float):
            found[pair.get("key", "")] = value
    return found


def _text(value: Value | None) -> str:
    return value if isinstance(value, str) else ""
