"""Wallets: how they open, who gives from them, who issues tokens, and what the statement says."""

from typing import Any

import pytest

from mintmark.accounts.models import Role
from mintmark.common import amounts, errors
from mintmark.tokens import book, wallets
from mintmark.tokens.book import Posting
from tests.factories.cast import NOW, Cast, person

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.both("the book is posted, sealed and audited with SQL of its own there"),
]


@pytest.fixture
def cast(db: None, built_cast: Cast) -> Cast:
    return built_cast


def _balance(principal: Any) -> int:
    return wallets.get_or_open(principal=principal, now=NOW).balance_micro


def _give(cast: Cast, **changes: Any) -> Posting:
    asked: dict[str, Any] = {
        "caller": cast.as_(cast.buyer), "recipient": cast.as_(cast.seller).principal, "amount_micro": 5_000_000,
        "memo": "lunch", "idempotency_key": "k", "now": NOW,
    }  # fmt: skip
    return wallets.give(**(asked | changes))


def test_a_person_opens_with_the_grant_once_and_an_assistant_with_nothing(
    cast: Cast, settings: Any
) -> None:
    buyer = cast.as_(cast.buyer).principal
    assert _balance(buyer) == 100_000_000
    settings.OPENING_GRANT_MICRO = 7_000_000
    assert _balance(buyer) == 100_000_000
    assert _balance(cast.as_(cast.seller).principal) == 7_000_000
    assert _balance(cast.scout.principal) == 0


def test_no_grant_is_given_where_the_setting_is_nothing(cast: Cast, settings: Any) -> None:
    settings.OPENING_GRANT_MICRO = 0
    assert _balance(cast.as_(cast.buyer).principal) == 0


def test_tokens_are_given_once_for_each_key(cast: Cast) -> None:
    _give(cast)
    assert not _give(cast).is_new
    assert _balance(cast.as_(cast.seller).principal) == 105_000_000
    with pytest.raises(errors.IdempotencyKeyReused):
        _give(cast, amount_micro=6_000_000)


def test_an_operator_takes_back_what_his_assistant_has_and_nobody_else_does(cast: Cast) -> None:
    _give(cast, recipient=cast.scout.principal)
    back = {
        "source": cast.scout.principal,
        "recipient": cast.as_(cast.buyer).principal,
        "idempotency_key": "back",
    }
    for user in (cast.seller, cast.stranger, cast.auditor):
        with pytest.raises(errors.Forbidden):
            _give(cast, caller=cast.as_(user), **back)
    _give(cast, **back)
    assert _balance(cast.as_(cast.buyer).principal) == 100_000_000


def test_nobody_gives_from_the_wallet_of_another_person(cast: Cast) -> None:
    with pytest.raises(errors.Forbidden):
        _give(cast, source=cast.as_(cast.seller).principal, recipient=cast.scout.principal)


def test_a_wallet_gives_neither_to_itself_nor_what_it_has_not(cast: Cast) -> None:
    with pytest.raises(amounts.InvalidAmount):
        _give(cast, recipient=cast.as_(cast.buyer).principal)
    with pytest.raises(book.InsufficientFunds):
        _give(cast, amount_micro=100_000_001)


@pytest.mark.parametrize("memo", ["x" * 201, "two\nlines"])
def test_a_memo_that_cannot_be_kept_is_refused(cast: Cast, memo: str) -> None:
    with pytest.raises(wallets.InvalidMemo):
        _give(cast, memo=memo)


def test_tokens_are_issued_by_a_treasurer_for_a_reason(cast: Cast) -> None:
    treasurer = cast.as_(person("treasurer", Role.TREASURER))
    to = cast.scout.principal
    asked: dict[str, Any] = {
        "recipient": to,
        "amount_micro": 9,
        "reason": "a prize",
        "idempotency_key": "m",
        "now": NOW,
    }
    for user in (cast.buyer, cast.stranger, cast.auditor):
        with pytest.raises(errors.Forbidden):
            wallets.mint(caller=cast.as_(user), **asked)
    with pytest.raises(wallets.InvalidMemo):
        wallets.mint(caller=treasurer, **(asked | {"reason": " "}))
    wallets.mint(caller=treasurer, **asked)
    assert not wallets.mint(caller=treasurer, **asked).is_new
    assert _balance(to) == 9


def test_a_treasurer_of_one_team_issues_nothing(cast: Cast) -> None:
    local = cast.as_(person("local", Role.TREASURER, team=cast.buyers))
    with pytest.raises(errors.Forbidden):
        wallets.mint(
            caller=local,
            recipient=cast.scout.principal,
            amount_micro=1,
            reason="mine",
            idempotency_key="k",
            now=NOW,
        )


def test_a_statement_is_newest_first_with_the_balance_after_each_entry(cast: Cast) -> None:
    _give(cast)
    _give(cast, idempotency_key="again", amount_micro=1)
    rows = list(wallets.list_entries(principal=cast.as_(cast.buyer).principal))
    assert [(row.amount_micro, row.balance_micro) for row in rows] == [
        (-1, 94_999_999), (-5_000_000, 95_000_000), (100_000_000, 100_000_000),
    ]  # fmt: skip
    older = wallets.list_entries(principal=cast.as_(cast.buyer).principal, before=rows[0].pk)
    assert [row.pk for row in older] == [row.pk for row in rows[1:]]
