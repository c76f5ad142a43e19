"""What each request leaves behind: an id, a line of JSON, a span; and nothing that was said in it."""

import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from mintmark.observability import logs, middleware

SECRET = "mm_00000000_" + "b" * 43


def _formatted(*arguments: Any, error: Exception | None = None) -> dict[str, Any]:
    record = logging.LogRecord("mintmark.test", logging.ERROR, __file__, 1, *arguments, None)
    if error is not None:
        try:
            raise error
        except Exception as raised:
            record.exc_info = (type(raised), raised, raised.__traceback__)
    found: dict[str, Any] = json.loads(logs.JsonFormatter().format(record))
    return found


def test_a_line_is_one_document_without_secrets_and_without_what_an_error_quotes() -> None:
    told = _formatted(f"sent {SECRET}\nonwards", (), error=ValueError("Key (text)=(Sum up this.)"))
    assert told["message"] == "sent [a key of Mintmark]\nonwards"
    assert told["error"] == "ValueError"
    assert told["at"][-1].endswith("_formatted")
    assert "Sum up" not in json.dumps(told)


@pytest.mark.django_db
def test_a_request_is_told_with_its_id_and_without_its_path(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO, logger="mintmark.requests"):
        answer = Client().get("/api/v1/prompts/17?search=word", headers={"X-Request-ID": "job-7"})
    assert answer["X-Request-ID"] == "job-7"
    (line,) = [one for one in caplog.records if one.name == "mintmark.requests"]
    told = json.loads(logs.JsonFormatter().format(line))
    assert (told["route"], told["status"]) == ("api/v1/prompts/<int:prompt_id>", 401)
    assert "word" not in json.dumps(told)


@pytest.mark.django_db
@pytest.mark.parametrize("given", ["", "a b", "x" * 65, 'a"b', SECRET + "\t"])
def test_an_id_that_is_none_is_replaced(given: str) -> None:
    answer = Client().get("/api/v1/me", headers={"X-Request-ID": given})
    assert len(answer["X-Request-ID"]) == 32


class _Collector(HTTPServer):
    spans: list[Any]
    came: threading.Event


class _Taking(BaseHTTPRequestHandler):
    server: _Collector

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        export = trace_service_pb2.ExportTraceServiceRequest.FromString(raw)
        self.server.spans += [
            span for r in export.resource_spans for s in r.scope_spans for span in s.spans
        ]
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.server.came.set()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[_Collector]:
    server = _Collector(("127.0.0.1", 0), _Taking)
    server.spans, server.came = [], threading.Event()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_span_goes_to_the_collector_in_the_caller_s_trace(
    collector: _Collector, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.TRACES = True
    address = f"http://127.0.0.1:{collector.server_address[1]}"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")

    def answered(request: HttpRequest) -> HttpResponse:
        return HttpResponse(status=204)

    trace = "0af7651916cd43dd8448eb211c80319c"
    request = RequestFactory().get(
        "/x?secret=word", headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    )
    middleware.log_requests(answered)(request)
    assert collector.came.wait(timeout=30)
    (span,) = collector.spans
    assert span.name == "GET none"
    assert span.trace_id.hex() == trace
    told = {pair.key: pair.value for pair in span.attributes}
    assert told["http.response.status_code"].int_value == 204
    assert "word" not in str(span)
