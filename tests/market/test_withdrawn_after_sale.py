"""A seller can't take back what was sold: who withdraws it for good refunds its buyers, or does not withdraw it."""

import pytest

from mintmark.accounts.models import Role
from mintmark.market import audit, sales_report
from mintmark.market.models import PurchaseRefund
from mintmark.registry.models import Tombstone
from mintmark.tokens import book
from mintmark.tokens.models import Account
from tests.factories.cast import person
from tests.factories.market_fixture import Stall

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.both("locks, and the one transfer of all refunds"),
]


def _withdraw(stall: Stall, who: object) -> None:
    stall.market.withdraw_permanently(
        caller=stall.as_(who),  # type: ignore[arg-type]
        prompt=stall.prompt,
        reason="changed my mind",
        now=stall.now,
    )


def _check_books() -> None:
    assert all(result.holds for result in audit.audit())


def test_the_seller_refunds_every_buyer_in_one_transfer(stall: Stall) -> None:
    before = stall.balance(stall.cast.buyer)
    stall.bought(stall.listed(cost="10"))
    assert stall.balance(stall.cast.buyer) != before
    _withdraw(stall, stall.cast.seller)
    assert stall.balance(stall.cast.buyer) == before
    (refund,) = PurchaseRefund.objects.all()
    assert refund.purchase.prompt == stall.prompt
    (row,) = sales_report.list_sales(caller=stall.as_(stall.cast.seller))
    assert row.refunded_micro == row.paid_micro == 10_000_000
    _check_books()


def test_a_second_withdrawal_refunds_nothing_more(stall: Stall) -> None:
    stall.bought(stall.listed(cost="10"))
    _withdraw(stall, stall.cast.seller)
    balance = stall.balance(stall.cast.buyer)
    _withdraw(stall, stall.cast.seller)
    assert stall.balance(stall.cast.buyer) == balance
    assert PurchaseRefund.objects.count() == 1


def test_a_seller_who_can_not_refund_withdraws_nothing_and_is_told_what_to_do(stall: Stall) -> None:
    stall.bought(stall.listed(cost="10"))
    Account.objects.filter(pk=stall.principal(stall.cast.seller).pk).update(balance_micro=1)
    with pytest.raises(book.InsufficientFunds, match="buyers keep their right"):
        _withdraw(stall, stall.cast.seller)
    assert not Tombstone.objects.exists()
    assert not PurchaseRefund.objects.exists()


def test_an_administrator_withdraws_for_safety_without_a_refund(stall: Stall) -> None:
    stall.bought(stall.listed(cost="10"))
    _withdraw(stall, person("root", Role.ADMIN))
    assert Tombstone.objects.exists()
    assert not PurchaseRefund.objects.exists()
    _check_books()


def test_what_was_never_sold_is_withdrawn_as_ever(stall: Stall) -> None:
    stall.listed(cost="10")
    _withdraw(stall, stall.cast.seller)
    assert Tombstone.objects.exists()
