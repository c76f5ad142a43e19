"""OTLP's spans, read from either of its encodings: the evaluation events on them, as records like those of a log.

An event says what was judged; its span, and the spans above it in the same export, say which agent and prompt it was: a
record has the attributes of them all, the nearest first. Spans without an evaluation are passed over.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import pydantic
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from pydantic import TypeAdapter

from . import parser
from .parser import AttributeValue, InvalidTelemetry, OtlpLogRecord

MAX_SPANS = 10_000
MAX_DEPTH = 64
_INHERITED = ("gen_ai.agent.", "gen_ai.prompt.", "gen_ai.response.id")


class _SpanEvent(TypedDict, total=False):
    timeUnixNano: parser.UnixNano | None
    name: str | None
    attributes: list[parser.KeyValue] | None


class _Span(TypedDict, total=False):
    traceId: str | None
    spanId: str | None
    parentSpanId: str | None
    attributes: list[parser.KeyValue] | None
    events: list[_SpanEvent] | None


class _ScopeSpans(TypedDict, total=False):
    spans: list[_Span] | None


class _ResourceSpans(TypedDict, total=False):
    resource: parser.Resource | None
    scopeSpans: list[_ScopeSpans] | None


class OtlpTraceExport(TypedDict, total=False):
    """OTLP's `ExportTraceServiceRequest` as JSON, as far as it is read; other members are passed over."""

    resourceSpans: list[_ResourceSpans] | None


_EXPORT_ADAPTER: TypeAdapter[OtlpTraceExport] = TypeAdapter(OtlpTraceExport)


@dataclass(frozen=True, slots=True, kw_only=True)
class _ReadSpan:
    """A span with the attributes of its resource and its own, and its events: name, time, attributes."""

    trace: str
    span: str
    parent: str
    shared: Mapping[str, AttributeValue]
    own: Mapping[str, AttributeValue]
    events: Sequence[tuple[str, int, Mapping[str, AttributeValue]]]


def parse_protobuf(raw: bytes, *, event: str) -> list[OtlpLogRecord]:
    """The events of this name on the spans of a binary export. `InvalidTelemetry` where it is none."""
    try:
        export = ExportTraceServiceRequest.FromString(raw)
    except DecodeError as error:
        raise InvalidTelemetry("The body is no ExportTraceServiceRequest in protobuf.") from error
    return _collect(list(_iterate_protobuf_spans(export)), event=event)


def parse_json(raw: bytes, *, event: str) -> list[OtlpLogRecord]:
    """The events of this name on the spans of an export in JSON. `InvalidTelemetry` where it is none, with the
    place."""
    try:
        export = _EXPORT_ADAPTER.validate_json(raw)
    except pydantic.ValidationError as invalid:
        first = invalid.errors(include_url=False, include_context=False, include_input=False)[0]
        location = ".".join(map(str, first["loc"]))
        raise InvalidTelemetry(
            f"The body is no OTLP export of spans in JSON: {location or 'the whole'}: {first['msg'][:200]}."
        ) from None
    return _collect(list(_iterate_json_spans(export)), event=event)


def _collect(spans: list[_ReadSpan], *, event: str) -> list[OtlpLogRecord]:
    if len(spans) > MAX_SPANS:
        raise InvalidTelemetry(
            f"The export has {len(spans):,} spans; send at most {MAX_SPANS:,} at a time."
        )
    by_id = {(span.trace, span.span): span for span in spans if span.span}
    records = [
        OtlpLogRecord(
            event=name,
            at_nano=at_nano,
            trace=span.trace,
            span=span.span,
            attributes={**_inherit(span, by_id), **attributes},
        )
        for span in spans
        for name, at_nano, attributes in span.events
        if name == event
    ]
    if len(records) > parser.MAX_RECORDS:
        raise InvalidTelemetry(
            f"The export has {len(records):,} evaluations; send at most {parser.MAX_RECORDS:,} at a time."
        )
    return records


def _inherit(
    span: _ReadSpan, by_id: Mapping[tuple[str, str], _ReadSpan]
) -> dict[str, AttributeValue]:
    """The attributes of a span and its resource, and what the spans above it say of agent and prompt."""
    attributes = {**span.shared, **span.own}
    above, seen = by_id.get((span.trace, span.parent)), {span.span}
    while above is not None and above.span not in seen and len(seen) < MAX_DEPTH:
        for name, value in above.own.items():
            if name.startswith(_INHERITED):
                attributes.setdefault(name, value)
        seen.add(above.span)
        above = by_id.get((above.trace, above.parent))
    return attributes


def _iterate_protobuf_spans(export: ExportTraceServiceRequest) -> Iterator[_ReadSpan]:
    for resource in export.resource_spans:
        shared = parser.extract_protobuf_attributes(resource.resource.attributes)
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield _ReadSpan(
                    trace=span.trace_id.hex(),
                    span=span.span_id.hex(),
                    parent=span.parent_span_id.hex(),
                    shared=shared,
                    own=parser.extract_protobuf_attributes(span.attributes),
                    events=[
                        (
                            event.name,
                            event.time_unix_nano,
                            parser.extract_protobuf_attributes(event.attributes),
                        )
                        for event in span.events
                    ],
                )


def _iterate_json_spans(export: OtlpTraceExport) -> Iterator[_ReadSpan]:
    for resource in export.get("resourceSpans") or []:
        shared = parser.extract_json_attributes((resource.get("resource") or {}).get("attributes"))
        for scope in resource.get("scopeSpans") or []:
            for span in scope.get("spans") or []:
                yield _ReadSpan(
                    trace=(span.get("traceId") or "").lower(),
                    span=(span.get("spanId") or "").lower(),
                    parent=(span.get("parentSpanId") or "").lower(),
                    shared=shared,
                    own=parser.extract_json_attributes(span.get("attributes")),
                    events=[_read_event(event) for event in span.get("events") or []],
                )


def _read_event(event: Any) -> tuple[str, int, Mapping[str, AttributeValue]]:
    return (
        event.get("name") or "",
        event.get("timeUnixNano") or 0,
        parser.extract_json_attributes(event.get("attributes")),
    )
