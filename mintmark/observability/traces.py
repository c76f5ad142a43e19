"""Spans of requests over OTLP, where `MINTMARK_TRACES` asks for them: with OpenTelemetry's SDK, the extra `otel`."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest


def build_span_opener() -> Callable[[HttpRequest], AbstractContextManager[Any]]:
    """What opens a span for a request, in the trace that its `traceparent` names. Called once a process.

    Where spans go is OpenTelemetry's own to say (`OTEL_EXPORTER_OTLP_ENDPOINT` and its fellows).
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.propagate import extract
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace import SpanKind
    except ImportError as missing:
        raise ImproperlyConfigured(
            "MINTMARK_TRACES is set and OpenTelemetry's SDK is not here: install mintmark[otel]."
        ) from missing
    provider = TracerProvider(resource=Resource.create({"service.name": "mintmark"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    tracer = provider.get_tracer("mintmark")

    def start_span(request: HttpRequest) -> AbstractContextManager[Any]:
        trace_headers = {"traceparent": request.headers.get("traceparent", "")}
        return tracer.start_as_current_span(
            "request",
            context=extract(trace_headers),
            kind=SpanKind.SERVER,
            record_exception=False,
            set_status_on_exception=False,
        )

    return start_span


def annotate_span(span: Any, *, method: str, route: str, status: int) -> None:
    """Name a span by what became of its request."""
    span.update_name(f"{method} {route}")
    span.set_attributes(
        {
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": status,
        }
    )
