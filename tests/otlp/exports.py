"""Exports as OTLP spells them, in both encodings, and who sends them."""

import gzip
import json
from typing import Any

from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs

from mintmark.accounts import keys
from mintmark.accounts.models import User
from mintmark.otlp import mappings
from tests.factories.cast import Cast

PATH = "/api/v1/otlp/v1/logs"
MAPPING = """
evaluations:
  Relevance: {ritual: triage-cases, worst: 1, best: 5}
  Toxicity: {ritual: triage-cases, worst: 1, best: 0}
  Verdict: {ritual: triage-cases, labels: {pass: 1, partly: 0.5, fail: 0}}
  Thumb: {kind: approval}
assistant:
  attributes: [gen_ai.agent.name, service.name]
  names: {support-bot: scout}
prompt:
  names: {triage: acme/triage, answer@7: acme/triage@1}
"""


class Exporter:
    """The buyer's exporter; `send` gives what the server answers."""

    def __init__(self, cast: Cast) -> None:
        self.cast = cast
        self.at_nano = int(timezone.now().timestamp()) * 10**9
        mappings.set_mapping(
            caller=cast.as_(cast.buyer), team=cast.buyers, document=mappings.parse_mapping(MAPPING), now=timezone.now()
        )  # fmt: skip
        self.headers = self.key_of(cast.buyer)

    def key_of(self, user: User, *scopes: str) -> dict[str, str]:
        issued = keys.issue(principal=self.cast.as_(user).principal, scopes=scopes or ("evidence",))
        return {"Authorization": f"Bearer {issued.secret}"}

    def record(self, **changes: Any) -> dict[str, Any]:
        """A record of an evaluation in OTLP's JSON; a change to None takes an attribute out."""
        attributes = {
            "gen_ai.evaluation.name": "Relevance",
            "gen_ai.evaluation.score.value": 4.0,
            "gen_ai.agent.name": "support-bot",
            "gen_ai.prompt.name": "acme/triage@1",
            "gen_ai.evaluation.explanation": "It said {ticket} is urgent.",
        } | {name.replace("__", "."): value for name, value in changes.items()}
        self.at_nano += 1_000_003
        return {
            "timeUnixNano": str(self.at_nano),
            "eventName": "gen_ai.evaluation.result",
            "attributes": [
                {"key": name, "value": _value(value)}
                for name, value in attributes.items()
                if value is not None
            ],
            "traceId": "5b8efff798038103d269b633813fc60c",
            "spanId": "eee19b7ec3c1b174",
        }

    def send(self, *records: dict[str, Any], **headers: str) -> HttpResponse:
        return self.sent(json.dumps(export(*records)).encode(), **headers)

    def sent(
        self, raw: bytes, kind: str = "application/json", packed: bool = False, **headers: str
    ) -> HttpResponse:
        if packed:
            raw, headers = gzip.compress(raw), headers | {"Content-Encoding": "gzip"}
        found: HttpResponse = Client().generic(
            "POST", PATH, raw, content_type=kind, headers=self.headers | headers
        )
        return found


def export(*records: dict[str, Any]) -> dict[str, Any]:
    """An export in JSON, its resource named by the service."""
    service = {"attributes": [{"key": "service.name", "value": {"stringValue": "support-bot"}}]}
    return {"resourceLogs": [{"resource": service, "scopeLogs": [{"logRecords": list(records)}]}]}


def in_protobuf(*records: dict[str, Any]) -> bytes:
    """The same in protobuf."""
    message = logs.ExportLogsServiceRequest()
    resource = message.resource_logs.add()
    shared = resource.resource.attributes.add(key="service.name")
    shared.value.string_value = "support-bot"
    scope = resource.scope_logs.add()
    for record in records:
        made = scope.log_records.add(
            time_unix_nano=int(record["timeUnixNano"]),
            event_name=record["eventName"],
            trace_id=bytes.fromhex(record["traceId"]),
            span_id=bytes.fromhex(record["spanId"]),
        )
        for pair in record["attributes"]:
            ((which, value),) = pair["value"].items()
            field = {"stringValue": "string_value", "doubleValue": "double_value"}.get(which)
            setattr(made.attributes.add(key=pair["key"]).value, field or "int_value", value)
    return message.SerializeToString()


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, float):
        return {"doubleValue": value}
    return {"intValue": value}
