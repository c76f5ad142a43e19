"""The book's one primitive: balanced, once for each key, all of it or nothing."""

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import Model, Sum

from mintmark.common import errors
from mintmark.tokens import book, system_accounts, wallets
from mintmark.tokens.book import Leg, TransferOrder
from mintmark.tokens.models import Account, Entry, Transfer
from tests.factories.cast import NOW, Cast

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.both("the book is posted, sealed and audited with SQL of its own there"),
]


@pytest.fixture
def three(db: None, built_cast: Cast) -> list[int]:
    """Three wallets of 100 tokens each."""
    cast = built_cast
    people = [cast.as_(user).principal for user in (cast.seller, cast.buyer, cast.stranger)]
    return [wallets.get_or_open(principal=person, now=NOW).pk for person in people]


def _order(*legs: tuple[int, int], key: str = "k", asked: str | None = None) -> TransferOrder:
    return TransferOrder(
        idempotency_key=key,
        request_fingerprint=str(legs) if asked is None else asked,
        cause=Transfer.Cause.GIFT,
        actor=1,
        legs=[Leg(*leg) for leg in legs],
    )


def _held(accounts: list[int]) -> list[int]:
    held = book.get_balances(accounts)
    return [held[account] for account in accounts]


def test_a_transfer_of_many_legs_moves_all_of_them_and_says_what_each_then_held(
    three: list[int],
) -> None:
    a, b, c = three
    posted = book.post(order=_order((a, -70), (b, 30), (c, 40)), now=NOW)
    assert posted.is_new
    assert _held(three) == [99_999_930, 100_000_030, 100_000_040]
    entries = Entry.objects.filter(transfer=posted.transfer).order_by("account")
    assert [e.balance_micro for e in entries] == [
        balance for _, balance in sorted(zip(three, _held(three), strict=True))
    ]


def test_the_same_key_again_moves_nothing_and_answers_the_same(three: list[int]) -> None:
    a, b, _ = three
    first = book.post(order=_order((a, -70), (b, 70)), now=NOW)
    again = book.post(order=_order((a, -70), (b, 70)), now=NOW)
    assert (again.transfer, again.is_new) == (first.transfer, False)
    assert _held([a]) == [99_999_930]


def test_the_same_key_for_something_else_is_refused(three: list[int]) -> None:
    a, b, _ = three
    book.post(order=_order((a, -70), (b, 70)), now=NOW)
    with pytest.raises(errors.IdempotencyKeyReused):
        book.post(order=_order((a, -71), (b, 71)), now=NOW)
    assert _held([a]) == [99_999_930]


def test_legs_of_one_account_are_added_up(three: list[int]) -> None:
    a, b, _ = three
    posted = book.post(order=_order((a, -70), (a, 20), (b, 30), (b, 20)), now=NOW)
    moved = dict(
        Entry.objects.filter(transfer=posted.transfer).values_list("account", "amount_micro")
    )
    assert moved == {a: -50, b: 50}


def test_an_account_whose_legs_cancel_out_has_no_entry(three: list[int]) -> None:
    a, b, c = three
    posted = book.post(order=_order((a, -5), (a, 5), (b, -1), (c, 1)), now=NOW)
    assert Entry.objects.filter(transfer=posted.transfer).count() == 2


@pytest.mark.parametrize("legs", [[(0, 1)], [(0, 1), (1, -2)], []])
def test_what_does_not_balance_is_never_posted(
    three: list[int], legs: list[tuple[int, int]]
) -> None:
    with pytest.raises(ValueError, match="do not sum to 0"):
        book.post(order=_order(*[(three[n], amount) for n, amount in legs]), now=NOW)
    assert not Transfer.objects.filter(key="k").exists()


def test_too_little_in_the_wallet_leaves_no_trace_and_the_key_is_free(three: list[int]) -> None:
    a, b, _ = three
    with pytest.raises(book.InsufficientFunds) as refused:
        book.post(order=_order((a, -100_000_001), (b, 100_000_001)), now=NOW)
    assert "takes 100.000001 credits, and the wallet holds 100" in refused.value.message
    assert not Transfer.objects.filter(key="k").exists()
    assert book.post(order=_order((a, -100_000_000), (b, 100_000_000)), now=NOW).is_new


def test_an_account_that_was_never_opened_is_refused_whole(three: list[int]) -> None:
    with pytest.raises(book.NoAccount):
        book.post(order=_order((three[0], -1), (10**15, 1)), now=NOW)
    assert _held([three[0]]) == [100_000_000]


def test_only_the_issuance_may_hold_less_than_nothing(three: list[int]) -> None:
    assert Account.objects.get(pk=system_accounts.ISSUANCE).balance_micro == -300_000_000
    for account in (three[0], -1_000, -2_000):
        with pytest.raises(IntegrityError), transaction.atomic():
            Account.objects.filter(pk=account).update(balance_micro=-1)


@pytest.mark.parametrize("model", [Transfer, Entry])
def test_the_database_refuses_to_change_the_book(three: list[int], model: type[Model]) -> None:
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        model._default_manager.update(**{"memo": "x"} if model is Transfer else {"amount_micro": 1})
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        connection.cursor().execute(f"DELETE FROM {model._meta.db_table}")


def test_all_entries_sum_to_nothing(three: list[int]) -> None:
    assert Entry.objects.aggregate(total=Sum("amount_micro"))["total"] == 0
