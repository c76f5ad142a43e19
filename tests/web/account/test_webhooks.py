"""The pages of webhooks."""

import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from mintmark.accounts.models import Role
from mintmark.webhooks import deliveries, endpoints, outbox, signing
from mintmark.webhooks.models import Delivery, Webhook
from tests.factories.cast import person
from tests.factories.holdings_fixture import Holdings
from tests.web import markup
from tests.web.account import pages
from tests.webhooks.receiver import Receiver, listening

pytestmark = pytest.mark.django_db

NEW = {"url": "https://example.com/hooks", "kinds": ["sale", "refund"], "note": "the till"}


class Desk:
    """The buyers' webhook, at a real receiver; a worker that works when it is told to."""

    def __init__(self, holdings: Holdings, receiver: Receiver) -> None:
        self.holdings, self.receiver, self.team = holdings, receiver, holdings.cast.buyers
        self.caller = holdings.caller(holdings.cast.buyer)
        self.now = timezone.now() - timedelta(minutes=5)
        made = endpoints.create(
            caller=self.caller, team=self.team, url=receiver.url, kinds=[], note="", now=self.now
        )
        self.webhook, self.secret = made.webhook, made.secret
        self.path = f"/webhooks/{self.webhook.pk}"

    def told(self, **data: Any) -> Delivery:
        outbox.enqueue(kind="sale", team_ids=[self.team.pk], data=data, now=self.now)
        return Delivery.objects.latest("id")

    def work(self) -> None:
        while deliveries.deliver_next(worker_id="w", clock=timezone.now, rng=random.Random(1)):
            pass


@pytest.fixture
def desk(holdings: Holdings, settings: Any) -> Iterator[Desk]:
    with listening() as receiver:
        settings.WEBHOOK_HOSTS = [f"127.0.0.1:{receiver.port}"]
        yield Desk(holdings, receiver)


def _form(holdings: Holdings, **changes: Any) -> dict[str, Any]:
    newest = Webhook.objects.order_by("-id").values_list("pk", flat=True).first() or 0
    return NEW | {"team": holdings.cast.buyers.pk, "seen": newest} | changes


def test_one_is_made_and_its_secret_is_shown_this_once(holdings: Holdings, buyer: Client) -> None:
    assert "No webhooks yet" in pages.page(buyer, "/webhooks")
    answer = buyer.post("/webhooks", _form(holdings))
    page = markup.read(answer)
    made = Webhook.objects.get()
    secret = signing.decrypt(bytes(made.sealed))
    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
    assert secret in page
    assert (made.team, made.kinds, made.note) == (
        holdings.cast.buyers,
        ["sale", "refund"],
        "the till",
    )
    for path in ("/webhooks", f"/webhooks/{made.pk}"):
        page = pages.page(buyer, path)
        assert "https://example.com/hooks" in page
        assert secret not in page


def test_a_form_that_is_sent_twice_makes_one(holdings: Holdings, buyer: Client) -> None:
    sent = _form(holdings)
    buyer.post("/webhooks", sent)
    again = buyer.post("/webhooks", sent)
    assert again.status_code == 422
    assert "already created from this form" in markup.read(again)
    assert Webhook.objects.count() == 1
    assert buyer.post("/webhooks", _form(holdings)).status_code == 200  # a further one on purpose
    assert Webhook.objects.count() == 2


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"url": "https://127.0.0.1/x"}, "private address"),
        ({"url": "http://example.com"}, "https address"),
        ({"url": ""}, "Give an address"),
        ({"url": "https://" + "x" * 600}, "Give an address"),
        ({"kinds": ["gossip"]}, "Kinds are"),
        ({"note": "a\x00b"}, "printable"),
    ],
)
def test_what_can_t_be_made_is_told_and_stays_typed(
    holdings: Holdings, buyer: Client, changes: dict[str, Any], says: str
) -> None:
    answer = buyer.post("/webhooks", _form(holdings, **changes))
    page = markup.read(answer)
    assert (answer.status_code, says in page) == (422, True)
    assert not Webhook.objects.exists()
    if "kinds" not in changes:
        assert 'value="sale" checked' in page


def test_nobody_makes_one_for_a_team_that_he_does_not_operate(
    holdings: Holdings, seller: Client, stranger: Client
) -> None:
    for client in (seller, stranger):
        assert client.post("/webhooks", _form(holdings)).status_code == 403
    assert client.post("/webhooks", _form(holdings, team="x")).status_code == 403
    assert not Webhook.objects.exists()


def test_what_was_told_stands_with_its_answer_and_is_sent_again(desk: Desk, buyer: Client) -> None:
    desk.receiver.status = 410
    delivery = desk.told(transfer=7, lines=[{"prompt": "a/b@1"}], note="<b>bold</b>")
    desk.work()
    page = pages.page(buyer, desk.path)
    assert "410: no 2xx" in page
    assert ">failed</span>" in page
    assert ">transfer</span> 7" in page and "1 line" in page
    assert "<b>bold" not in page
    assert "the address answered 410 Gone" in page
    assert 'value="replay"' not in page
    assert pages.post(buyer, desk.path, do="replay", delivery=delivery.pk)[0] == 422
    desk.receiver.status = 204
    assert pages.post(buyer, desk.path, do="enable")[:2] == (302, desk.path)
    assert 'value="replay"' in pages.page(buyer, desk.path)
    assert pages.post(buyer, desk.path, do="replay", delivery=delivery.pk)[0] == 302
    assert "updates by itself" in pages.page(buyer, desk.path)
    desk.work()
    page = pages.page(buyer, desk.path)
    assert ">delivered</span>" in page and "204" in page
    assert "updates by itself" not in page
    assert len({headers["webhook-id"] for headers, _ in desk.receiver.came}) == 1


def test_what_follows_is_the_part_alone(desk: Desk, buyer: Client) -> None:
    desk.told()
    answer = buyer.get(desk.path + "?state=waiting", headers={"HX-Request": "true"})
    part = markup.read(answer)
    assert 'id="live"' in part and "<html" not in part
    assert f'hx-get="{desk.path}?state=waiting"' in part


def test_a_list_of_deliveries_narrows_and_goes_on(desk: Desk, buyer: Client) -> None:
    for n in range(27):
        desk.told(transfer=n)
    desk.work()
    desk.told(transfer=99)
    page = pages.page(buyer, desk.path + "?state=waiting")
    assert page.count(">msg_") == 1 and "99" in page
    page = pages.page(buyer, desk.path + "?state=delivered")
    assert page.count(">msg_") == 25 and 'rel="next"' in page
    assert "No deliveries in this state" in pages.page(buyer, desk.path + "?state=failed")
    oldest = Delivery.objects.earliest("id")
    assert "No deliveries in this state" in pages.page(buyer, f"{desk.path}?before={oldest.pk}")
    pages.page(buyer, desk.path + "?state=lost", status=400)


def test_a_pause_says_why_and_ends_when_it_is_enabled(desk: Desk, buyer: Client) -> None:
    assert pages.post(buyer, desk.path, do="pause", reason=" ")[0] == 422
    desk.told()
    assert pages.post(buyer, desk.path, do="pause", reason="it moves")[0] == 302
    page = pages.page(buyer, desk.path)
    assert "it moves" in page and "Enable it again and send the 1 that waits" in page
    assert "it moves" in pages.page(buyer, "/webhooks")
    desk.work()
    assert desk.receiver.came == []
    pages.post(buyer, desk.path, do="enable")
    desk.work()
    assert len(desk.receiver.came) == 1


def test_an_address_that_is_not_called_any_more_can_t_be_enabled(
    desk: Desk, buyer: Client, settings: Any
) -> None:
    pages.post(buyer, desk.path, do="pause", reason="it moves")
    settings.WEBHOOK_HOSTS = []
    assert "plain http is for hosts" in pages.page(buyer, desk.path)
    status, _, page = pages.post(buyer, desk.path, do="enable")
    assert (status, "Nothing was changed" in page) == (422, True)


def test_a_new_secret_is_shown_once_and_a_button_pressed_twice_changes_it_once(
    desk: Desk, buyer: Client
) -> None:
    sent = {"do": "rotate", "seen": "first"}
    page = markup.read(buyer.post(desk.path, sent))
    desk.webhook.refresh_from_db()
    secret = signing.decrypt(bytes(desk.webhook.sealed))
    assert secret in page and secret != desk.secret
    again = buyer.post(desk.path, sent)
    assert (again.status_code, "was changed after this page" in markup.read(again)) == (
        422,
        True,
    )
    desk.webhook.refresh_from_db()
    assert signing.decrypt(bytes(desk.webhook.sealed)) == secret
    page = pages.page(buyer, desk.path)
    assert "two are valid until" in page and secret not in page


def test_a_removed_one_is_gone(desk: Desk, buyer: Client) -> None:
    desk.told()
    assert pages.post(buyer, desk.path, do="remove")[:2] == (302, "/webhooks")
    assert "was removed" in pages.page(buyer, "/webhooks")
    pages.page(buyer, desk.path, status=404)
    assert pages.post(buyer, desk.path, do="enable")[0] == 404


def test_another_team_s_does_not_exist_and_auditors_look_alone(
    desk: Desk, seller: Client, stranger: Client
) -> None:
    author = desk.holdings.scene.client(person("pen", Role.AUTHOR, team=desk.team))
    for client in (seller, stranger, author):
        assert desk.receiver.url not in pages.page(client, "/webhooks")
        pages.page(client, desk.path, status=404)
        assert pages.post(client, desk.path, do="pause", reason="mine")[0] == 404
    assert "Only operators of a team can see" in pages.page(stranger, "/webhooks")
    auditor = desk.holdings.scene.client(desk.holdings.cast.auditor)
    delivery = desk.told()
    assert desk.receiver.url in pages.page(auditor, "/webhooks")
    page = pages.page(auditor, desk.path)
    assert "Only operators of team" in page and '<form method="post" action="/webhooks' not in page
    for sent in (
        {"do": "pause", "reason": "mine"},
        {"do": "enable"},
        {"do": "remove"},
        {"do": "rotate", "seen": "first"},
        {"do": "replay", "delivery": delivery.pk},
    ):
        assert pages.post(auditor, desk.path, **sent)[0] == 403, sent
    desk.webhook.refresh_from_db()
    assert (desk.webhook.disabled_at, desk.webhook.removed_at) == (None, None)
    admin = desk.holdings.scene.client(desk.holdings.scene.admin)
    assert "Pause it" in pages.page(admin, desk.path)


def test_nobody_comes_in_without_signing_in(desk: Desk) -> None:
    client = desk.holdings.scene.client(None)
    for path in ("/webhooks", desk.path):
        assert client.get(path)["Location"].startswith("/sign-in?next=/")
        assert client.post(path)["Location"].startswith("/sign-in?next=/")


def test_a_step_that_there_is_not_and_a_delivery_of_another_are_refused(
    desk: Desk, buyer: Client
) -> None:
    for sent, status in (
        ({"do": "shout"}, 400),
        ({}, 400),
        ({"do": "replay", "delivery": 999}, 404),
        ({"do": "replay", "delivery": "x"}, 400),
    ):
        assert pages.post(buyer, desk.path, **sent)[0] == status, sent
