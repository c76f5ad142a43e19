"""Evaluations that are events on spans: read as those of a log, their agent and prompt told by the spans."""

import json
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces

from mintmark.evidence.models import Event
from mintmark.otlp.models import OtlpIngestCount

from .exports import Exporter

pytestmark = pytest.mark.django_db

PATH = "/api/v1/otlp/v1/traces"
TRACE = "5b8efff798038103d269b633813fc60c"
ROOT, INNER = "eee19b7ec3c1b174", "eee19b7ec3c1b175"


def _attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "key": name,
            "value": {"doubleValue" if isinstance(value, float) else "stringValue": value},
        }
        for name, value in values.items()
    ]


def _span(
    span: str, parent: str = "", *, events: list[dict[str, Any]] | None = None, **own: Any
) -> dict[str, Any]:
    return {
        "traceId": TRACE,
        "spanId": span,
        "parentSpanId": parent,
        "name": "chat",
        "attributes": _attributes({name.replace("__", "."): value for name, value in own.items()}),
        "events": events or [],
    }


def _evaluation(name: str = "Relevance", value: float = 4.0, at: int = 1) -> dict[str, Any]:
    return {
        "name": "gen_ai.evaluation.result",
        "timeUnixNano": str(1_793_000_000_000_000_000 + at),
        "attributes": _attributes(
            {"gen_ai.evaluation.name": name, "gen_ai.evaluation.score.value": value}
        ),
    }


def _export(*spans: dict[str, Any]) -> bytes:
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]}).encode()


def _send(exporter: Exporter, raw: bytes, kind: str = "application/json") -> HttpResponse:
    answer: HttpResponse = Client().generic(
        "POST", PATH, raw, content_type=kind, headers=exporter.headers
    )
    return answer


def test_agent_and_prompt_come_from_the_span_and_those_above(exporter: Exporter) -> None:
    root = _span(
        ROOT, gen_ai__agent__name="support-bot", gen_ai__prompt__name="acme/triage",
        gen_ai__prompt__version="1",
    )  # fmt: skip
    inner = _span(INNER, ROOT, events=[{"name": "exception"}, _evaluation()])
    answer = _send(exporter, _export(inner, root))
    assert (answer.status_code, answer.json()) == (200, {})
    event = Event.objects.get()
    assert (event.assistant, event.prompt, event.score) == (
        exporter.cast.scout, exporter.cast.prompt, 0.75,
    )  # fmt: skip


def test_the_nearest_span_says_which_prompt(exporter: Exporter) -> None:
    other = exporter.cast.written("acme/other", "Sort {ticket}.")
    root = _span(ROOT, gen_ai__agent__name="support-bot", gen_ai__prompt__name="acme/triage@1")
    inner = _span(INNER, ROOT, events=[_evaluation()], gen_ai__prompt__name="acme/other@1")
    assert _send(exporter, _export(root, inner)).json() == {}
    assert Event.objects.get().prompt == other


def test_spans_without_an_evaluation_are_passed_over_and_count_as_nothing(
    exporter: Exporter,
) -> None:
    assert _send(exporter, _export(_span(ROOT))).json() == {}
    assert not Event.objects.exists()
    assert not OtlpIngestCount.objects.exists()


def test_what_cannot_be_read_is_counted_and_the_rest_recorded(exporter: Exporter) -> None:
    span = _span(
        ROOT,
        events=[_evaluation(), _evaluation("Unheard", at=2)],
        gen_ai__agent__name="support-bot",
        gen_ai__prompt__name="acme/triage@1",
    )
    told = _send(exporter, _export(span)).json()["partialSuccess"]
    assert told["rejectedSpans"] == "1" and "Unheard" in told["errorMessage"]
    assert Event.objects.count() == 1


def test_protobuf_says_the_same_and_a_second_export_adds_nothing(exporter: Exporter) -> None:
    message = traces.ExportTraceServiceRequest()
    span = (
        message.resource_spans.add()
        .scope_spans.add()
        .spans.add(trace_id=bytes.fromhex(TRACE), span_id=bytes.fromhex(ROOT))
    )
    for name, value in (
        ("gen_ai.agent.name", "support-bot"), ("gen_ai.prompt.name", "acme/triage@1"),
    ):  # fmt: skip
        span.attributes.add(key=name).value.string_value = value
    event = span.events.add(
        name="gen_ai.evaluation.result", time_unix_nano=1_793_000_000_000_000_001
    )
    event.attributes.add(key="gen_ai.evaluation.name").value.string_value = "Relevance"
    event.attributes.add(key="gen_ai.evaluation.score.value").value.double_value = 4.0
    raw = message.SerializeToString()
    for _ in range(2):
        answer = _send(exporter, raw, "application/x-protobuf")
        assert answer.status_code == 200
        assert not traces.ExportTraceServiceResponse.FromString(
            answer.content
        ).partial_success.error_message
    same = _span(
        ROOT, events=[_evaluation()], gen_ai__agent__name="support-bot",
        gen_ai__prompt__name="acme/triage@1",
    )  # fmt: skip
    _send(exporter, _export(same))
    assert Event.objects.count() == 1


def test_spans_in_a_circle_end(exporter: Exporter) -> None:
    one = _span(ROOT, INNER, events=[_evaluation()], gen_ai__agent__name="support-bot")
    two = _span(INNER, ROOT, gen_ai__prompt__name="acme/triage@1")
    assert _send(exporter, _export(one, two)).json() == {}
    assert Event.objects.count() == 1


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"[1]", "application/json"),
        (b'{"resourceSpans": 1}', "application/json"),
        (b"\xff\xff", "application/x-protobuf"),
    ],
)
def test_what_is_no_export_is_refused(exporter: Exporter, raw: bytes, kind: str) -> None:
    answer = _send(exporter, raw, kind)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_telemetry")


def test_an_export_of_too_many_spans_is_refused_whole(
    exporter: Exporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mintmark.otlp.span_parser.MAX_SPANS", 1)
    answer = _send(exporter, _export(_span(ROOT, events=[_evaluation()]), _span(INNER)))
    assert answer.status_code == 400 and "2 spans" in answer.json()["detail"]
    assert not Event.objects.exists()
