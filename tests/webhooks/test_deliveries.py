"""Deliveries to a real server: signed, retried, given up, sent again; never redirected, never to private addresses."""

import random
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mintmark.common import errors, outbound_urls
from mintmark.webhooks import deliveries, endpoints, outbox, retention, signing
from mintmark.webhooks.models import Delivery, Webhook
from tests.factories.cast import NOW
from tests.factories.market_fixture import Stall

from .receiver import Receiver

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.both("what two may do at once is locked row by row there"),
]


class Sender:
    """A worker with a clock of its own, and one webhook of the sellers."""

    def __init__(self, stall: Stall, url: str) -> None:
        self.cast = stall.cast
        self.now = NOW
        self.caller = stall.cast.as_(stall.cast.seller)
        made = endpoints.create(
            caller=self.caller, team=self.cast.sellers, url=url, kinds=[], note="", now=NOW
        )
        self.webhook, self.secret = made.webhook, made.secret

    def told(self) -> Delivery:
        outbox.enqueue(
            kind="sale", team_ids=[self.cast.sellers.pk], data={"transfer": 7}, now=self.now
        )
        return Delivery.objects.latest("id")

    def work(self, holder: str = "worker") -> bool:
        return deliveries.deliver_next(
            worker_id=holder, clock=lambda: self.now, rng=random.Random(1)
        )

    def through(self, delivery: Delivery) -> Delivery:
        """Work on until nothing is due for ever."""
        for _ in range(30):
            delivery.refresh_from_db()
            if delivery.state != Delivery.State.WAITING:
                break
            self.now = max(self.now, delivery.due_at)
            self.work()
        return delivery


@pytest.fixture
def sender(stall: Stall, receiver: Receiver) -> Sender:
    return Sender(stall, receiver.url)


def test_a_signature_is_that_of_the_specification_s_example() -> None:
    assert (
        signing.sign(
            secret="whsec_plJ3nmyCDGBKInavdOK15jsl",
            message="msg_loFOjxBNrRLzqYUf",
            timestamp=1731705121,
            body=b'{"event_type":"ping","data":{"success":true}}',
        )
        == "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="
    )


def test_what_happened_arrives_signed_once(sender: Sender, receiver: Receiver) -> None:
    delivery = sender.told()
    assert sender.work() and not sender.work()
    ((headers, body),) = receiver.came
    assert receiver.bodies() == [
        {"type": "sale", "timestamp": NOW.isoformat(), "data": {"transfer": 7}}
    ]
    assert headers["webhook-id"] == delivery.message
    assert headers["host"] == f"127.0.0.1:{receiver.port}"
    assert headers["webhook-signature"] == signing.sign(
        secret=sender.secret,
        message=delivery.message,
        timestamp=int(headers["webhook-timestamp"]),
        body=body,
    )
    delivery.refresh_from_db()
    assert (delivery.state, delivery.status, delivery.attempts) == ("delivered", 204, 1)


def test_what_is_refused_is_sent_later_under_the_same_id_until_it_is_taken(
    sender: Sender, receiver: Receiver
) -> None:
    delivery = sender.told()
    receiver.status = 500
    sender.work()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.status, delivery.problem) == ("waiting", 500, "refused")
    wait = delivery.due_at - sender.now
    assert deliveries.RETRY_DELAYS[0] * 0.8 <= wait <= deliveries.RETRY_DELAYS[0] * 1.2
    assert not sender.work()
    sender.now = delivery.due_at
    receiver.status = 200
    assert sender.work()
    assert {headers["webhook-id"] for headers, _ in receiver.came} == {delivery.message}
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == ("delivered", 2)


def test_what_is_never_taken_is_given_up_and_can_be_sent_again(
    sender: Sender, receiver: Receiver
) -> None:
    receiver.status = 503
    delivery = sender.through(sender.told())
    assert (delivery.state, delivery.attempts) == ("failed", len(deliveries.RETRY_DELAYS) + 1)
    receiver.status = 200
    endpoints.redeliver(caller=sender.caller, delivery=delivery, now=sender.now)
    assert sender.through(delivery).state == "delivered"
    endpoints.redeliver(caller=sender.caller, delivery=delivery, now=sender.now)
    assert sender.through(delivery).state == "delivered"
    assert {headers["webhook-id"] for headers, _ in receiver.came} == {delivery.message}


def test_a_redirect_is_not_followed(sender: Sender, receiver: Receiver) -> None:
    receiver.status, receiver.headers = 302, {"Location": receiver.url + "/elsewhere"}
    delivery = sender.told()
    sender.work()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.problem) == ("waiting", "redirected")
    assert len(receiver.came) == 1


def test_a_receiver_that_drips_is_left(
    sender: Sender, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "CALL_TIMEOUT_SECONDS", 0.5)
    receiver.drip_seconds = 20.0
    delivery = sender.told()
    sender.work()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.status, delivery.problem) == ("waiting", None, "too_slow")


def test_an_address_that_is_gone_is_told_nothing_more(sender: Sender, receiver: Receiver) -> None:
    receiver.status = 410
    delivery = sender.through(sender.told())
    assert delivery.state == "failed"
    sender.webhook.refresh_from_db()
    assert "410" in sender.webhook.disabled_because
    delivery = Delivery.objects.select_related("webhook").get(pk=delivery.pk)
    with pytest.raises(endpoints.InvalidWebhook, match="disabled"):
        endpoints.redeliver(caller=sender.caller, delivery=delivery, now=sender.now)
    assert outbox.list_subscribers(kind="sale", team_ids=[sender.cast.sellers.pk]) == []


def test_what_waited_is_sent_once_a_webhook_is_enabled_again(
    sender: Sender, receiver: Receiver
) -> None:
    delivery = sender.told()
    receiver.status = 500
    sender.work()
    endpoints.disable(
        caller=sender.caller, webhook=sender.webhook, reason="it moves", now=sender.now
    )
    sender.told()  # written for nobody
    sender.now += timedelta(days=1)
    assert not sender.work()
    receiver.status = 204
    for _ in range(2):
        again = endpoints.enable(caller=sender.caller, webhook=sender.webhook, now=sender.now)
        assert (again.disabled_at, again.disabled_because) == (None, "")
    assert sender.work() and not sender.work()
    delivery.refresh_from_db()
    assert (delivery.state, len(receiver.came)) == ("delivered", 2)


def test_what_waits_for_its_next_attempt_is_sent_at_once_when_it_is_enabled(
    sender: Sender, receiver: Receiver
) -> None:
    receiver.status = 500
    sender.told()
    sender.work()
    endpoints.disable(
        caller=sender.caller, webhook=sender.webhook, reason="it moves", now=sender.now
    )
    sender.webhook.refresh_from_db()
    endpoints.enable(caller=sender.caller, webhook=sender.webhook, now=sender.now)
    assert sender.work()


def test_a_webhook_whose_address_is_not_called_any_more_stays_disabled(
    sender: Sender, settings: object
) -> None:
    endpoints.disable(caller=sender.caller, webhook=sender.webhook, reason="it moves", now=NOW)
    sender.webhook.refresh_from_db()
    settings.WEBHOOK_HOSTS = []  # type: ignore[attr-defined]
    with pytest.raises(endpoints.InvalidWebhook, match="https"):
        endpoints.enable(caller=sender.caller, webhook=sender.webhook, now=NOW)


def test_one_that_is_enabled_again_counts_among_those_of_its_team(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "MAX_WEBHOOKS_PER_TEAM", 1)
    endpoints.disable(caller=sender.caller, webhook=sender.webhook, reason="it moves", now=NOW)
    endpoints.create(
        caller=sender.caller, team=sender.cast.sellers, url="https://example.com", kinds=[], note="", now=NOW
    )  # fmt: skip
    sender.webhook.refresh_from_db()
    with pytest.raises(endpoints.InvalidWebhook, match="at most 1"):
        endpoints.enable(caller=sender.caller, webhook=sender.webhook, now=NOW)


def test_a_removed_webhook_is_told_nothing_and_keeps_nothing(
    sender: Sender, receiver: Receiver
) -> None:
    delivery = sender.told()
    delivery.webhook = sender.webhook
    endpoints.remove(caller=sender.caller, webhook=sender.webhook, now=sender.now)
    sender.webhook.refresh_from_db()
    assert (bytes(sender.webhook.sealed), sender.webhook.deliveries.count()) == (b"", 0)
    assert list(endpoints.visible_to(caller=sender.caller)) == []
    assert outbox.list_subscribers(kind="sale", team_ids=[sender.cast.sellers.pk]) == []
    # What was being written to it while it was removed is never sent.
    Delivery.objects.create(
        webhook=sender.webhook, message="msg_late", kind="sale", body={}, told_at=NOW, due_at=NOW
    )
    assert not sender.work()
    assert receiver.came == []
    with pytest.raises(errors.NotFound):
        endpoints.rotate_secret(caller=sender.caller, webhook=sender.webhook, now=sender.now)
    sender.webhook.disabled_at = None  # as it was read before it was removed
    with pytest.raises(errors.NotFound):
        endpoints.redeliver(caller=sender.caller, delivery=delivery, now=sender.now)
    endpoints.enable(caller=sender.caller, webhook=sender.webhook, now=sender.now)
    assert outbox.list_subscribers(kind="sale", team_ids=[sender.cast.sellers.pk]) == []


def test_what_ended_is_forgotten_after_a_while_and_what_waits_never(
    sender: Sender, receiver: Receiver, settings: Any
) -> None:
    settings.DELIVERY_DAYS = 7
    taken = sender.through(sender.told())
    receiver.status = 500
    given_up = sender.through(sender.told())
    assert (taken.state, given_up.state) == ("delivered", "failed")
    waiting = sender.told()
    week = timedelta(days=7)
    assert retention.purge(now=taken.ended_at + week - timedelta(seconds=1)) == 0  # type: ignore[operator]
    assert retention.purge(now=taken.ended_at + week) == 1  # type: ignore[operator]
    endpoints.redeliver(caller=sender.caller, delivery=given_up, now=sender.now)
    assert retention.purge(now=sender.now + 9 * week) == 0
    assert set(Delivery.objects.values_list("id", flat=True)) == {given_up.pk, waiting.pk}


def test_nobody_there_is_tried_again(stall: Stall, settings: object) -> None:
    settings.WEBHOOK_HOSTS = ["127.0.0.1:1"]  # type: ignore[attr-defined]
    sender = Sender(stall, "http://127.0.0.1:1/hooks")
    delivery = sender.told()
    sender.work()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.problem) == ("waiting", "unreachable: ConnectError")


def test_after_a_rotation_both_secrets_sign_for_a_day(sender: Sender, receiver: Receiver) -> None:
    new = endpoints.rotate_secret(caller=sender.caller, webhook=sender.webhook, now=sender.now)
    for later, count in ((timedelta(), 2), (endpoints.OLD_SECRET_VALIDITY, 1)):
        sender.now = NOW + later
        sender.told()
        sender.work()
        headers, body = receiver.came[-1]
        message, at = headers["webhook-id"], int(headers["webhook-timestamp"])
        secrets = [new.secret, sender.secret][:count]
        assert headers["webhook-signature"].split() == [
            signing.sign(secret=secret, message=message, timestamp=at, body=body)
            for secret in secrets
        ]


def test_one_worker_has_a_delivery_until_it_falls_silent(sender: Sender) -> None:
    sender.told()
    now = sender.now
    assert deliveries.acquire(worker_id="one", now=now) is not None
    assert deliveries.acquire(worker_id="two", now=now) is None
    late = now + deliveries.LEASE_DURATION + timedelta(seconds=1)
    taken = deliveries.acquire(worker_id="two", now=late)
    assert taken is not None
    deliveries.record_attempt(
        taken, worker_id="one", status=200, problem="", now=late, rng=random.Random(1)
    )  # no longer his
    taken.refresh_from_db()
    assert (taken.state, taken.lease_holder) == ("waiting", "two")


def test_what_is_rolled_back_was_never_told(sender: Sender) -> None:
    from django.db import transaction

    with transaction.atomic():
        sender.told()
        transaction.set_rollback(True)
    assert Delivery.objects.count() == 0


def test_a_secret_is_sealed_at_rest_and_lost_with_its_key(
    sender: Sender, receiver: Receiver, settings: object
) -> None:
    kept = bytes(Webhook.objects.get().sealed)
    assert sender.secret.encode() not in kept
    settings.VAULT_KEY = "another"  # type: ignore[attr-defined]
    delivery = sender.told()
    sender.work()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.problem) == ("waiting", "unreadable_secret")
    assert receiver.came == []


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("https://127.0.0.1/x", "private"),
        ("https://[::1]/x", "private"),
        ("https://10.1.2.3/x", "private"),
        ("https://169.254.169.254/latest/meta-data", "private"),
        ("https://[::ffff:10.0.0.1]/x", "private"),
        ("https://[2002:a00:1::]/x", "private"),
        ("https://100.64.0.1/x", "private"),
        ("https://224.0.0.1/x", "private"),
        ("https://0.0.0.0/x", "private"),
        ("http://example.com/x", "https"),
        ("ftp://example.com", "address such as"),
        ("https://", "address such as"),
        ("https://u:p@example.com/", "password"),
        ("https://example.com/a b", "characters"),
        ("https://example.com:99999/", "not an address"),
        ("https://ex\u0430mple.com/", "characters"),
    ],
)
def test_an_address_that_is_not_called_is_not_taken(stall: Stall, url: str, says: str) -> None:
    with pytest.raises(endpoints.InvalidWebhook, match=says):
        Sender(stall, url)


def test_a_name_that_turns_private_is_not_called(
    sender: Sender, receiver: Receiver, settings: object
) -> None:
    # What was allowed when it was made is not any more: "localhost" stands for this machine.
    Webhook.objects.update(url=f"https://localhost:{receiver.port}/hooks")
    settings.WEBHOOK_HOSTS = []  # type: ignore[attr-defined]
    assert outbound_urls.find_url_problem(f"https://localhost:{receiver.port}/hooks") == ""
    delivery = sender.told()
    sender.work()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.problem) == ("waiting", "private_address")
    assert receiver.came == []


def test_only_operators_of_the_team_make_and_change_them(sender: Sender) -> None:
    cast = sender.cast
    for user in (cast.buyer, cast.stranger, cast.auditor):
        caller, webhook = cast.as_(user), sender.webhook
        with pytest.raises(errors.Forbidden):
            endpoints.rotate_secret(caller=caller, webhook=webhook, now=NOW)
        with pytest.raises(errors.Forbidden):
            endpoints.enable(caller=caller, webhook=webhook, now=NOW)
        with pytest.raises(errors.Forbidden):
            endpoints.remove(caller=caller, webhook=webhook, now=NOW)
    assert list(endpoints.visible_to(caller=cast.as_(cast.buyer))) == []
    assert list(endpoints.visible_to(caller=cast.as_(cast.auditor))) == [sender.webhook]


def test_a_team_has_a_bounded_number(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "MAX_WEBHOOKS_PER_TEAM", 1)
    with pytest.raises(endpoints.InvalidWebhook, match="at most 1"):
        endpoints.create(
            caller=sender.caller, team=sender.cast.sellers, url="https://example.com", kinds=[], note="", now=NOW
        )  # fmt: skip


def test_the_page_s_verifier_takes_what_arrives_and_nothing_else(
    sender: Sender, receiver: Receiver
) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/webhooks.md").read_text()
    (source,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    told: dict[str, Any] = {}
    exec(source, told)
    sender.told()
    sender.work()
    ((headers, body),) = receiver.came
    assert told["is_genuine"](sender.secret, headers, body)
    assert not told["is_genuine"](sender.secret, headers, body + b" ")
    assert not told["is_genuine"](signing.generate_secret(), headers, body)
    assert (
        set(re.findall(r"^\| `([a-z.]+)` \|", page, flags=re.MULTILINE))
        == outbox.EVENT_KINDS.keys()
    )
