"""How fast do evaluation events come in over OTLP, beside the same number over POST /api/v1/evidence?

`mintmark serve` with two processes on PostgreSQL, nobody folding, takes batches of 100 from four clients: as
/evidence takes them, as OTLP in JSON, and as OTLP in protobuf. In turn, several rounds: the ratio of a round is
what counts on a machine that is not quiet. At the end the log must hold every event that was sent.

Run from the repository root: python -m benchmarks.service.otlp [--batches 30] [--rounds 5] [--json]
"""

from __future__ import annotations

import json
import random
import statistics
import time
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import click
import psycopg

from benchmarks.service import clients, installation

PATH = "/api/v1/otlp/v1/logs"
PROTOBUF = "application/x-protobuf"
_WARM_UP = 5


@dataclass(frozen=True, kw_only=True)
class Round:
    """Events a second by each way."""

    evidence: float
    otlp_json: float
    otlp_protobuf: float


@dataclass(frozen=True, kw_only=True)
class Names:
    """What exporters call the fleet's things, and the team they send to."""

    team: str
    prompts: list[str]
    assistants: list[str]
    evaluations: list[str]


def mapped(*, fleet: installation.Fleet) -> Names:
    """Put a mapping in force, an evaluation for each ritual; the names by which events say what they are of."""
    from django.utils import timezone

    from mintmark.accounts import callers, keys
    from mintmark.accounts.models import Principal
    from mintmark.otlp import mappings
    from mintmark.otlp.mappings import EvaluationMapping, OtlpMappingDocument
    from mintmark.registry.models import Assistant, Prompt, Ritual

    assistants = Assistant.objects.filter(pk__in=fleet.assistants).select_related("team")
    team = assistants[0].team
    rituals = {
        f"evaluation {one.pk}": str(one) for one in Ritual.objects.filter(pk__in=fleet.rituals)
    }
    operator = Principal.objects.get(pk=fleet.operator)
    key = keys.issue(principal=operator, scopes=["admin"]).key
    mappings.set_mapping(
        caller=callers.from_key(key=key),
        team=team,
        document=OtlpMappingDocument(
            evaluations={
                name: EvaluationMapping(ritual=at, best=10.0) for name, at in rituals.items()
            }
        ),
        now=timezone.now(),
    )
    return Names(
        team=team.name,
        prompts=[one.reference for one in Prompt.objects.filter(pk__in=fleet.prompts)],
        assistants=[one.name for one in assistants if one.team_id == team.pk],
        evaluations=list(rituals),
    )


def exports(names: Names, batches: int, in_protobuf: bool, client: int) -> list[clients.Request]:
    """Batches of 100 evaluations under random traces."""
    rng = random.Random()
    address = f"{PATH}?team={names.team}"
    write = _protobuf if in_protobuf else _json
    return [
        ("POST", address, write([_event(names, rng) for _ in range(clients.BATCH)]))
        for _ in range(batches)
    ]


def _event(names: Names, rng: random.Random) -> dict[str, Any]:
    return {
        "at": time.time_ns(),
        "trace": uuid.uuid4().bytes,
        "attributes": {
            "gen_ai.evaluation.name": rng.choice(names.evaluations),
            "gen_ai.evaluation.score.value": float(rng.randrange(11)),
            "gen_ai.prompt.name": rng.choice(names.prompts),
            "gen_ai.agent.name": rng.choice(names.assistants),
        },
    }


def _json(events: Sequence[dict[str, Any]]) -> bytes:
    records = [
        {
            "timeUnixNano": str(event["at"]),
            "traceId": event["trace"].hex(),
            "eventName": "gen_ai.evaluation.result",
            "attributes": [
                {"key": name, "value": {"stringValue" if isinstance(value, str) else "doubleValue": value}}
                for name, value in event["attributes"].items()
            ],
        }
        for event in events
    ]  # fmt: skip
    return json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}).encode()


def _protobuf(events: Sequence[dict[str, Any]]) -> bytes:
    from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs

    export = logs.ExportLogsServiceRequest()
    scope = export.resource_logs.add().scope_logs.add()
    for event in events:
        record = scope.log_records.add(
            time_unix_nano=event["at"], trace_id=event["trace"], event_name="gen_ai.evaluation.result"
        )  # fmt: skip
        for name, value in event["attributes"].items():
            told = record.attributes.add(key=name).value
            if isinstance(value, str):
                told.string_value = value
            else:
                told.double_value = value
    return export.SerializeToString()


def rounds(
    *, house: installation.House, fleet: installation.Fleet, batches: int, count: int
) -> list[Round]:
    """So many rounds against one server, after a few batches of each kind to warm it up."""
    names: Names = house.call("benchmarks.service.otlp:mapped", fleet=fleet)
    made = []
    with house.served(workers=2, settings=installation.BENCH_SETTINGS) as port:

        def measured(n: int) -> Round:
            ways = {
                "evidence": (partial(clients.evidence, fleet, n), "application/json"),
                "otlp_json": (partial(exports, names, n, False), "application/json"),
                "otlp_protobuf": (partial(exports, names, n, True), PROTOBUF),
            }
            rate = partial(clients.rate, port=port, fleet=fleet)
            return Round(
                **{
                    way: clients.BATCH * rate(plan=plan, headers={"Content-Type": kind})
                    for way, (plan, kind) in ways.items()
                }
            )

        measured(_WARM_UP)
        for n in range(count):
            click.echo(f"  round {n + 1} of {count}", err=True)
            made.append(measured(batches))
    sent = 3 * clients.CLIENTS * clients.BATCH * (_WARM_UP + batches * count)
    with psycopg.connect(house.url) as connection:
        row = connection.execute("SELECT count(*) FROM evidence_event").fetchone()
    if row is None or row[0] != sent:
        raise RuntimeError(f"{sent} events were sent and the log holds {row}")
    return made


@click.command()
@click.option("--batches", default=30, show_default=True, type=click.IntRange(1), help="a client")
@click.option("--rounds", "count", default=5, show_default=True, type=click.IntRange(1))
@click.option("--json", "as_json", is_flag=True)
def main(*, batches: int, count: int, as_json: bool) -> None:
    """Print the table, or the same as JSON."""
    with installation.on_postgresql() as house:
        fleet: installation.Fleet = house.call("benchmarks.service.fleet_data:settle")
        made = rounds(house=house, fleet=fleet, batches=batches, count=count)
    if as_json:
        click.echo(json.dumps([asdict(one) for one in made], indent=2))
        return
    click.echo("| batches of 100 over HTTP | events/s | ÷ POST /evidence, median | rounds |")
    click.echo("|---|---|---|---|")
    for name, field in (
        ("POST /evidence", "evidence"),
        ("OTLP, JSON", "otlp_json"),
        ("OTLP, protobuf", "otlp_protobuf"),
    ):
        rates = [getattr(one, field) for one in made]
        ratios = [rate / one.evidence for rate, one in zip(rates, made, strict=True)]
        each = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        click.echo(
            f"| {name} | {statistics.median(rates):,.0f} | {statistics.median(ratios):.2f} | {each} |"
        )


if __name__ == "__main__":
    main()
