"""What an assistant has at work, and what it may do by itself."""

import re

import pytest
from django.test import Client

from mintmark.deployments import mandates
from mintmark.deployments.models import Injection
from tests.factories.holdings_fixture import BRIEF, Holdings
from tests.web import markup
from tests.web.account import pages

pytestmark = pytest.mark.django_db


def test_a_context_shows_text_variables_since_when_by_whom_and_the_reason(
    holdings: Holdings, buyer: Client
) -> None:
    page = pages.page(buyer, pages.context(holdings))
    assert BRIEF.replace("{incident}", "#4711") in page
    assert "The digest is read by people anyway." in page
    assert "Override: trust." in page
    assert "filled in by scout: <code>tickets</code>" in page
    assert "replaced by acme/incident-brief@1" in pages.part(page, "history-title")


def test_a_context_is_for_its_own_team_alone(
    holdings: Holdings, seller: Client, stranger: Client
) -> None:
    for client in (seller, stranger, holdings.scene.client(holdings.cast.auditor)):
        page = pages.page(client, pages.context(holdings), status=403)
        part = client.get(f"{pages.context(holdings)}?before=99999", headers={"HX-Request": "true"})
        assert part.status_code == 403
        for body in (page, markup.read(part)):
            assert "brief" not in body
            assert "#4711" not in body


def test_what_can_no_longer_be_put_back_leads_to_the_gate_that_is_closed(
    holdings: Holdings, buyer: Client
) -> None:
    one = holdings.at_work
    pages.post(buyer, f"/injections/{one.pk}/withdraw")
    status, to, _ = pages.post(buyer, f"/injections/{one.pk}/put-back")
    assert status == 302
    page = pages.page(buyer, to)
    assert "scout asks for 0.90" in page
    assert "Override and put it to work in scout, slot main" in page
    assert 'value="#4711"' in page


def test_a_withdrawal_offers_to_put_it_back_and_does(holdings: Holdings, buyer: Client) -> None:
    pages.post(buyer, pages.context(holdings), per_purchase="5", per_day="10", trust_floor="0.1")
    path = f"/injections/{holdings.at_work.pk}/withdraw"
    for _ in range(2):
        status, to, _ = pages.post(buyer, path, reason="")
        assert (status, to) == (302, f"{pages.context(holdings)}?withdrawn={holdings.at_work.pk}")
    page = pages.page(buyer, to)
    assert "acme/incident-brief@1 was withdrawn from scout" in page
    assert "#4711" not in page.split('id="history"')[0]
    back = re.search(r'action="(/injections/\d+/put-back)"', page)
    assert back
    for _ in range(2):
        assert pages.post(buyer, back[1])[:2] == (302, pages.context(holdings))
    assert "#4711" in pages.page(buyer, pages.context(holdings))
    assert "Put it back" not in pages.page(buyer, to)
    standing = Injection.objects.filter(prompt=holdings.brief, ended_at__isnull=True)
    assert standing.count() == 1


def test_what_was_overridden_is_put_back_with_its_reason(holdings: Holdings, buyer: Client) -> None:
    one = holdings.overridden
    _, to, _ = pages.post(buyer, f"/injections/{one.pk}/withdraw", back="mine")
    assert to == f"/market/mine?withdrawn={one.pk}"
    assert "Put it back" in pages.page(buyer, to)
    pages.post(buyer, f"/injections/{one.pk}/put-back", back="mine")
    again = Injection.objects.get(prompt=holdings.digest, ended_at__isnull=True)
    assert again.override_reason == one.override_reason


def test_nobody_withdraws_from_the_assistants_of_others(
    holdings: Holdings, seller: Client, stranger: Client
) -> None:
    for client in (seller, stranger):
        assert pages.post(client, f"/injections/{holdings.at_work.pk}/withdraw")[0] == 403
        assert pages.post(client, f"/injections/{holdings.before.pk}/put-back")[0] == 403
        assert client.get(f"/injections/{holdings.at_work.pk}/withdraw").status_code == 405
    assert pages.post(stranger, "/injections/999999/withdraw")[0] == 404
    holdings.at_work.refresh_from_db()
    assert holdings.at_work.ended_at is None


def test_what_was_withdrawn_is_told_to_operators_of_that_assistant_alone(
    holdings: Holdings, buyer: Client, seller: Client
) -> None:
    _, to, _ = pages.post(buyer, f"/injections/{holdings.at_work.pk}/withdraw", back="mine")
    assert "Put it back" not in pages.page(seller, to)


def test_an_operator_sets_what_an_assistant_may_do_by_itself(
    holdings: Holdings, buyer: Client
) -> None:
    sent = {"per_purchase": "7.5", "per_day": "0", "trust_floor": "0.25"}
    status, to, _ = pages.post(buyer, pages.context(holdings), **sent)
    assert (status, to) == (302, f"{pages.context(holdings)}#mandate")
    mandate = mandates.get_mandate(assistant=holdings.cast.scout)
    assert (mandate.per_purchase_micro, mandate.per_day_micro) == (7_500_000, 0)
    assert mandate.trust_floor == 0.25
    assert 'value="7.5"' in pages.page(buyer, pages.context(holdings))


@pytest.mark.parametrize(
    "wrong",
    [{"trust_floor": "2"}, {"trust_floor": "x"}, {"per_day": "-1"}, {"per_purchase": "NaN"}],
)
def test_limits_that_cannot_be_kept_are_refused_beside_what_was_typed(
    holdings: Holdings, buyer: Client, wrong: dict[str, str]
) -> None:
    sent = {"per_purchase": "7.5", "per_day": "9", "trust_floor": "0.25"} | wrong
    status, _, page = pages.post(buyer, pages.context(holdings), **sent)
    assert status == 422
    assert 'role="alert"' in page
    assert f'value="{next(iter(wrong.values()))}"' in page
    assert mandates.get_mandate(assistant=holdings.cast.scout).per_purchase_micro == 5_000_000


def test_nobody_sets_limits_for_the_assistants_of_others(
    holdings: Holdings, seller: Client
) -> None:
    sent = {"per_purchase": "7.5", "per_day": "9", "trust_floor": "0.25"}
    assert pages.post(seller, pages.context(holdings), **sent)[0] == 403


def test_the_trust_page_links_the_context_for_its_team_alone(
    holdings: Holdings, buyer: Client, stranger: Client
) -> None:
    path = f"/assistants/{holdings.cast.scout.pk}/trust"
    assert pages.context(holdings) in pages.page(buyer, path)
    assert pages.context(holdings) not in pages.page(stranger, path)
