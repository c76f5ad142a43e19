"""Evaluation events over OTLP: what becomes evidence, what is rejected, and what is told of it."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs

from mintmark.accounts import keys
from mintmark.api import otlp
from mintmark.evidence.models import Event
from mintmark.otlp import ingest, ingest_counts, mappings
from mintmark.otlp.models import OtlpIngestCount
from mintmark.registry import prompts
from tests.factories.market_fixture import sold_with_warranty

from .exports import Exporter, export, in_protobuf

pytestmark = pytest.mark.django_db

PROTOBUF = "application/x-protobuf"


def rejected(answer: Any) -> tuple[int, str]:
    assert answer.status_code == 200, answer.content
    partial = answer.json().get("partialSuccess", {})
    return int(partial.get("rejectedLogRecords", 0)), partial.get("errorMessage", "")


def counted(exporter: Exporter) -> dict[tuple[str, str, str], int]:
    rows = OtlpIngestCount.objects.filter(team=exporter.cast.buyers).exclude(fate="seen")
    return {(row.fate, row.attribute, row.value): row.count for row in rows}


@pytest.mark.parametrize(
    ("changes", "score", "kind"),
    [
        ({}, 0.75, 0),
        ({"gen_ai__evaluation__score__value": 5}, 1.0, 0),
        ({"gen_ai__evaluation__name": "Toxicity", "gen_ai__evaluation__score__value": 0.25}, 0.75, 0),
        ({"gen_ai__evaluation__name": "Verdict", "gen_ai__evaluation__score__label": "partly"}, 0.5, 0),
        ({"gen_ai__evaluation__name": "Thumb", "gen_ai__evaluation__score__value": 1.0}, 1.0, 2),
    ],
)  # fmt: skip
def test_an_evaluation_becomes_evidence_as_the_mapping_says(
    exporter: Exporter, changes: dict[str, Any], score: float, kind: int
) -> None:
    assert rejected(exporter.send(exporter.record(**changes))) == (0, "")
    event = Event.objects.get()
    assert (event.score, event.kind, event.runs) == (score, kind, 1)
    assert event.assistant_id == exporter.cast.scout.pk
    assert event.prompt_id == exporter.cast.prompt.pk
    assert (event.ritual_id == exporter.cast.triage.pk) == (kind == 0)
    assert event.batch.source == "otlp, mapping 1"


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"gen_ai__evaluation__name": "Coherence"}, ("evaluation", ingest.NAME_ATTRIBUTE, "Coherence")),
        ({"gen_ai__evaluation__name": None}, ("missing", ingest.NAME_ATTRIBUTE, "")),
        ({"gen_ai__evaluation__score__value": 5.1}, ("range", ingest.VALUE_ATTRIBUTE, "Relevance")),
        ({"gen_ai__evaluation__score__value": "4"}, ("range", ingest.VALUE_ATTRIBUTE, "Relevance")),
        ({"gen_ai__evaluation__score__value": None}, ("missing", ingest.VALUE_ATTRIBUTE, "")),
        ({"gen_ai__evaluation__name": "Verdict"}, ("missing", ingest.LABEL_ATTRIBUTE, "")),
        ({"gen_ai__evaluation__name": "Verdict", "gen_ai__evaluation__score__label": "so-so"},
         ("label", f"Verdict: {ingest.LABEL_ATTRIBUTE}", "so-so")),
        ({"gen_ai__evaluation__score__value": True}, ("range", ingest.VALUE_ATTRIBUTE, "Relevance")),
        ({"error__type": "timeout"}, ("error", ingest.ERROR_ATTRIBUTE, "timeout")),
        ({"error__type": "timeout", "gen_ai__evaluation__score__value": None},
         ("error", ingest.ERROR_ATTRIBUTE, "timeout")),
        ({"gen_ai__prompt__name": "acme/gone@1"}, ("prompt", "gen_ai.prompt.name", "acme/gone@1")),
        ({"gen_ai__prompt__name": None}, ("missing", "gen_ai.prompt.name", "")),
    ],
)  # fmt: skip
def test_what_the_mapping_does_not_read_is_counted_and_reported(
    exporter: Exporter, changes: dict[str, Any], cause: tuple[str, str, str]
) -> None:
    n, says = rejected(exporter.send(exporter.record(**changes), exporter.record()))
    assert n == 1
    assert says.startswith("1 × ") and ingest_counts.REJECTION_CAUSES[cause[0]] in says
    assert Event.objects.count() == 1
    assert counted(exporter) == {cause: 1, ("recorded", "", ""): 1}


def test_of_several_names_the_first_that_is_known_counts(exporter: Exporter) -> None:
    assert rejected(exporter.send(exporter.record(gen_ai__agent__name="smith"))) == (0, "")
    assert Event.objects.get().assistant_id == exporter.cast.scout.pk


def test_nobody_is_known_by_any_of_the_names(exporter: Exporter) -> None:
    record = exporter.record(gen_ai__agent__name="smith", service__name="jones")
    assert rejected(exporter.send(record))[0] == 1
    assert counted(exporter) == {("assistant", "gen_ai.agent.name", "smith"): 1}


@pytest.mark.parametrize(("label", "score"), [("passed", 1.0), ("failed", 0.0), ("Pass", 1.0)])
def test_a_verdict_is_read_in_both_spellings(exporter: Exporter, label: str, score: float) -> None:
    record = exporter.record(
        gen_ai__evaluation__name="Verdict", gen_ai__evaluation__score__label=label
    )
    assert rejected(exporter.send(record)) == (0, "")
    assert Event.objects.get().score == score


def test_an_ordinary_log_is_no_evidence_and_is_not_dropped_in_silence(exporter: Exporter) -> None:
    log = exporter.record() | {"eventName": "", "body": {"stringValue": "a secret text"}}
    n, says = rejected(exporter.send(log, log))
    assert (n, "gen_ai.evaluation.result" in says) == (2, True)
    assert counted(exporter) == {("event", "event name", ""): 2}
    seen = set(OtlpIngestCount.objects.filter(fate="seen").values_list("attribute", flat=True))
    assert {"gen_ai.prompt.name", "service.name"} <= seen


def test_what_was_rejected_is_kept_without_what_it_said(exporter: Exporter) -> None:
    secret = "mm_00000000_" + "a" * 43
    exporter.send(exporter.record(gen_ai__evaluation__name=f"Mine {secret}"))
    exporter.send(exporter.record(gen_ai__evaluation__name="x" * 5_000 + "\x07"))
    kept = " ".join(f"{row.attribute} {row.value}" for row in OtlpIngestCount.objects.all())
    assert secret not in kept and "[a key of Mintmark]" in kept
    assert "urgent" not in kept
    assert max(len(row.value) for row in OtlpIngestCount.objects.all()) == 120


def test_the_same_event_is_recorded_once_in_whichever_encoding(exporter: Exporter) -> None:
    record = exporter.record()
    exporter.send(record, record)
    exporter.send(record)
    answer = exporter.sent(in_protobuf(record), PROTOBUF, packed=True)
    assert (answer.status_code, answer["Content-Type"], answer.content) == (200, PROTOBUF, b"")
    assert Event.objects.count() == 1
    assert counted(exporter) == {("recorded", "", ""): 1, ("repeated", "", ""): 3}


def test_an_event_sent_again_under_another_mapping_is_not_recorded_twice(
    exporter: Exporter,
) -> None:
    record = exporter.record()
    exporter.send(record)
    cast = exporter.cast
    changed = mappings.parse_mapping("evaluations: {Relevance: {ritual: triage-cases, worst: 0, best: 5}}\n"
                            "assistant: {names: {support-bot: scout}}")  # fmt: skip
    mappings.set_mapping(
        caller=cast.as_(cast.buyer), team=cast.buyers, document=changed, now=cast.now
    )
    n, says = rejected(exporter.send(record, exporter.record()))
    assert (n, "key" in says) == (1, True)
    assert sorted(Event.objects.values_list("score", flat=True)) == [0.75, 0.8]


def test_protobuf_is_answered_in_protobuf_with_what_was_rejected(exporter: Exporter) -> None:
    bad = exporter.record(gen_ai__evaluation__name="Coherence")
    answer = exporter.sent(in_protobuf(bad, exporter.record()), PROTOBUF)
    told = logs.ExportLogsServiceResponse.FromString(answer.content).partial_success
    assert told.rejected_log_records == 1
    assert "'Coherence'" in told.error_message
    assert Event.objects.count() == 1


def test_names_stand_for_prompts_and_versions_join_them(exporter: Exporter) -> None:
    cast = exporter.cast
    second = prompts.register(
        draft=prompts.PromptDraft(
            namespace="acme", name="triage", text="Sort {ticket}.", parent=cast.prompt
        ),
        author=cast.as_(cast.seller).principal,
        team=cast.sellers,
    )
    for name, version, meant in (
        ("triage", None, second), ("triage", "1", cast.prompt), ("triage", 2, second), ("answer", "7", cast.prompt),
        ("acme/triage@1", "2", cast.prompt), (f"sha256:{second.digest}", None, second),
    ):  # fmt: skip
        record = exporter.record(gen_ai__prompt__name=name, gen_ai__prompt__version=version)
        assert rejected(exporter.send(record)) == (0, ""), name
        newest = Event.objects.order_by("-id").first()
        assert newest is not None and newest.prompt_id == meant.pk, (name, version)


def test_an_assistant_tells_of_itself_alone(exporter: Exporter) -> None:
    cast = exporter.cast
    ranger = cast.assistant("ranger", team=cast.buyers)
    issued = keys.issue(principal=ranger.principal, scopes=["evidence"])
    exporter.headers = {"Authorization": f"Bearer {issued.secret}"}
    own = exporter.record(gen_ai__agent__name="ranger")
    n, _ = rejected(exporter.send(own, exporter.record()))
    assert n == 1
    assert Event.objects.get().assistant_id == ranger.pk
    assert ("not_own", "gen_ai.agent.name", "support-bot") in counted(exporter)


def test_those_of_other_teams_export_nothing_here(exporter: Exporter) -> None:
    for user in (exporter.cast.seller, exporter.cast.stranger, exporter.cast.auditor):
        exporter.headers = exporter.key_of(user)
        raw = json.dumps(export(exporter.record())).encode()
        found = exporter.sent(raw)
        if user == exporter.cast.seller:  # his own team has no mapping
            assert rejected(found)[0] == 1
        else:
            assert found.status_code == 403
    assert Event.objects.count() == 0


def test_a_time_ahead_or_none_that_tells_events_apart_is_rejected(exporter: Exporter) -> None:
    ahead = exporter.record() | {"timeUnixNano": str(2**64 - 1)}
    nothing = exporter.record() | {"timeUnixNano": "0", "traceId": "", "spanId": ""}
    n, says = rejected(exporter.send(ahead, nothing, exporter.record()))
    assert n == 2
    assert "occurred_at" in says and "neither when" in says
    assert Event.objects.count() == 1


@pytest.mark.parametrize(
    ("raw", "kind", "packing"),
    [
        (b"{", "application/json", ""),
        (b"[]", "application/json", ""),
        (b'{"resourceLogs": 7}', "application/json", ""),
        (b'{"resourceLogs": [{"scopeLogs": [{"logRecords": [{"timeUnixNano": -1}]}]}]}', "application/json", ""),
        (b'{"resourceLogs": ' + b"[" * 5_000 + b"]" * 5_000 + b"}", "application/json", ""),
        (b"\xff\xff\xff", PROTOBUF, ""),
        (b'{"resourceLogs": []}', PROTOBUF, ""),
        (b"no gzip", PROTOBUF, "gzip"),
    ],
)  # fmt: skip
def test_a_body_that_is_no_export_is_refused(
    exporter: Exporter, raw: bytes, kind: str, packing: str
) -> None:
    packed = {"Content-Encoding": packing} if packing else {}
    answer = exporter.sent(raw, kind, **packed)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_telemetry")
    assert OtlpIngestCount.objects.count() == Event.objects.count() == 0


def test_a_bomb_is_refused_before_it_is_unpacked(exporter: Exporter) -> None:
    bomb = b"\x0a\x00" * (otlp.MAX_BYTES // 2 + 1)
    answer = exporter.sent(bomb, PROTOBUF, packed=True)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_ten_thousand_and_one_records_are_too_many(exporter: Exporter) -> None:
    raw = json.dumps(export(*[{}] * 10_001)).encode()
    answer = exporter.sent(raw, packed=True)
    assert answer.status_code == 400
    assert "10,001 records" in answer.json()["detail"]


def test_another_packing_is_refused_by_name(exporter: Exporter) -> None:
    answer = exporter.sent(b"x", **{"Content-Encoding": "br"})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


def test_members_that_nobody_declared_are_passed_over(exporter: Exporter) -> None:
    record = exporter.record() | {"severityNumber": 9, "flags": 1, "novelty": {"a": [1]}}
    record["attributes"].append({"key": "list", "value": {"arrayValue": {"values": []}}})
    assert rejected(exporter.send(record)) == (0, "")


def test_kinds_of_arrivals_are_bounded_and_beyond_them_counted_together(
    exporter: Exporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest_counts, "MAX_OUTCOMES", 20)
    many = [exporter.record(gen_ai__evaluation__name=f"E{n}") for n in range(120)]
    assert rejected(exporter.send(*many))[0] == 120
    assert OtlpIngestCount.objects.count() <= 21
    told = counted(exporter)
    assert sum(told.values()) == 120
    assert told[("others", "", "")] > 90


def test_an_evaluation_decides_a_warranty(exporter: Exporter) -> None:
    cast = exporter.cast
    secret = cast.written("acme/mint", "Weigh {coin} twice.", is_open=False)
    bought_at = timezone.now() - timedelta(minutes=1)
    warranty = sold_with_warranty(cast, prompt=secret, ritual=cast.triage, now=bought_at)
    exporter.send(
        exporter.record(gen_ai__prompt__name="acme/mint@1", gen_ai__evaluation__score__value=1.0)
    )
    warranty.refresh_from_db()
    assert (warranty.state, warranty.score) == ("failed", 0.0)
