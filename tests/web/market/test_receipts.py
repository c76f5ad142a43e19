"""Receipts: who reads them, and what they say."""

import pytest

from mintmark.accounts.models import Role
from tests.factories.cast import person
from tests.web.market import pages
from tests.web.market.pages import Town

pytestmark = pytest.mark.django_db


def test_a_receipt_is_for_the_buyers_team_admins_and_auditors(town: Town) -> None:
    path = f"/market/receipts/{town.bought()}"
    colleague = person("colleague", Role.OPERATOR, team=town.cast.buyers)
    for user in (town.cast.buyer, colleague, town.scene.admin, town.cast.auditor):
        assert town.scene.client(user).get(path).status_code == 200
    for user in (town.cast.seller, town.cast.stranger):
        assert town.scene.client(user).get(path).status_code == 404


def test_a_receipt_has_the_entries_of_its_transfer_and_balances_for_their_owner_alone(
    town: Town,
) -> None:
    path = f"/market/receipts/{town.bought()}"
    book = pages.page(town.buyer, path).split('id="book"')[1]
    for amount in ("−12.5", "+0.625", "+11.875", "87.5"):
        assert amount in book
    assert (
        "87.5" not in pages.page(town.scene.client(town.cast.auditor), path).split('id="book"')[1]
    )
    assert f"/prompts/{town.scene.secret.pk}/inject" in pages.page(town.buyer, path)


def test_no_transfer_but_a_purchase_has_a_receipt(town: Town) -> None:
    town.balance(town.cast.buyer)  # the opening grant
    for transfer in (1, 2, 999_999):
        assert town.scene.client(town.scene.admin).get(
            f"/market/receipts/{transfer}"
        ).status_code == (404)
