"""What goes out and comes in, for the tests of those pages: webhooks in several states, evaluations not read."""

import json
import random
from datetime import datetime

from mintmark.otlp import ingest, mappings, parser
from mintmark.webhooks import deliveries, endpoints, outbox
from mintmark.webhooks.models import Delivery, Webhook
from tests.factories.holdings_fixture import Holdings
from tests.otlp.exports import MAPPING, export

NOBODY = "https://hooks.nobody.invalid"


class Switchboard:
    """Of the buyers: webhook 1 was told things that were taken, that wait and that were given up; the receiver of 2
    said that it is gone; 3 was told nothing yet."""

    def __init__(self, holdings: Holdings) -> None:
        self.holdings, self.cast = holdings, holdings.cast
        self.busy = self.made(
            "/mintmark", note="the till", kinds=["prompt.revoked", "sale", "label.moved"]
        )
        for n, (kind, answers) in enumerate((
            ("prompt.revoked", [(503, "refused")] * (len(deliveries.RETRY_DELAYS) + 1)),
            ("sale", [(204, "")]),
            ("sale", [(None, "unreachable: ConnectError"), (200, "")]),
            ("label.moved", [(None, "too_slow")] * 7),
        )):  # fmt: skip
            self.told(self.busy, kind=kind, answers=answers, now=holdings.ago(hours=9 - n))
        self.gone = self.made("/old", kinds=["sale", "refund"])
        self.told(self.gone, kind="refund", answers=[(410, "refused")], now=holdings.ago(hours=2))
        self.new = self.made("/new", kinds=["refund"])
        self._exported()

    def made(self, path: str, **changes: object) -> Webhook:
        values: dict[str, object] = {"kinds": [], "note": ""} | changes
        return endpoints.create(
            caller=self.holdings.caller(self.cast.buyer), team=self.cast.buyers, url=NOBODY + path,
            now=self.holdings.ago(days=1), **values,  # type: ignore[arg-type]
        ).webhook  # fmt: skip

    def told(
        self, webhook: Webhook, *, kind: str, answers: list[tuple[int | None, str]], now: datetime
    ) -> None:
        """Something that was told, and what a receiver answered, attempt by attempt."""
        facts = {"prompt": "acme/triage@1", "id": 17, "for_good": True, "reason": "it leaks"}
        outbox.enqueue(kind=kind, team_ids=[self.cast.buyers.pk], data=facts, now=now)
        Delivery.objects.filter(told_at=now).exclude(webhook=webhook).delete()
        for status, problem in answers:
            row = deliveries.acquire(worker_id="worker", now=self.holdings.now.replace(year=2099))
            assert row is not None
            deliveries.record_attempt(
                row, worker_id="worker", status=status, problem=problem, now=self.holdings.now, rng=random.Random(1)
            )  # fmt: skip

    def _exported(self) -> None:
        """A mapping, and evaluations that it does not read."""
        cast, now = self.cast, self.holdings.now
        caller = self.holdings.caller(cast.buyer)
        document = mappings.parse_mapping(MAPPING)
        mappings.set_mapping(caller=caller, team=cast.buyers, document=document, now=now)
        told = [
            {"gen_ai.evaluation.name": name, "gen_ai.agent.name": agent}
            for name, agent in (("Coherence", "support-bot"), ("Relevance", "nobody-here"))
        ]
        sent = [
            {
                "timeUnixNano": str(int(now.timestamp()) * 10**9 + n),
                "eventName": ingest.EVALUATION_EVENT,
                "attributes": [
                    {"key": key, "value": {"stringValue": value}} for key, value in one.items()
                ],
            }
            for n, one in enumerate(told)
        ]
        raw = json.dumps(export(*sent)).encode()
        ingest.ingest(caller=caller, team=cast.buyers, records=parser.parse_json(raw), now=now)
