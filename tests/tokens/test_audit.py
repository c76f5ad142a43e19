"""The audit of the token book: it holds for what was done in order, and names what was done past it."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.db.models import F

from mintmark.storage.audit_results import InvariantResult
from mintmark.tokens import audit, checkpoints, system_accounts, wallets
from mintmark.tokens.models import Account, Entry, Transfer
from tests import tampering
from tests.factories.cast import NOW, Cast

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.both("the book is posted, sealed and audited with SQL of its own there"),
]

GRANT = 100_000_000


@pytest.fixture
def cast(built_cast: Cast) -> Cast:
    """Two wallets with their grants and three gifts between them, all sealed."""
    cast = built_cast
    for user in (cast.seller, cast.buyer):
        wallets.get_or_open(principal=cast.as_(user).principal, now=NOW)
    for n in range(3):
        wallets.give(
            caller=cast.as_(cast.buyer),
            recipient=cast.as_(cast.seller).principal,
            amount_micro=1_500_000,
            memo="",
            idempotency_key=f"{n}",
            now=NOW,
        )
    checkpoints.create_checkpoints(now=NOW)
    return cast


def _found() -> dict[str, InvariantResult]:
    return {finding.code: finding for finding in audit.audit()}


def _broken() -> dict[str, tuple[str, ...]]:
    return {code: finding.broken for code, finding in _found().items() if not finding.holds}


def _entries(cast: Cast) -> list[Entry]:
    """The buyer's entries, oldest first: the grant, three gifts."""
    return list(Entry.objects.filter(account=cast.as_(cast.buyer).principal.pk).order_by("id"))


def test_a_book_kept_in_order_holds(cast: Cast) -> None:
    found = _found()
    assert not _broken()
    assert found["tokens_sum"].checked == 10
    assert found["tokens_transfers"].checked == 5
    assert found["tokens_balances"].checked == 2 + 1 + 2 * system_accounts.SHARDS
    assert found["tokens_seals"].checked == 1


def test_an_empty_book_holds() -> None:
    assert not _broken()


def test_a_changed_amount_is_named(cast: Cast) -> None:
    changed = _entries(cast)[1]
    with tampering.past_the_triggers():
        Entry.objects.filter(pk=changed.pk).update(amount_micro=-1)
    broken = _broken()
    assert broken.keys() == {"tokens_sum", "tokens_transfers", "tokens_balances", "tokens_seals"}
    assert broken["tokens_sum"] == ("all entries together are 1.499999 credits",)
    assert broken["tokens_transfers"] == (
        f"transfer {changed.transfer_id}: its entries sum to 1.499999 credits",
    )
    assert broken["tokens_balances"] == (
        f"entry {changed.pk} of account {changed.account_id}: 100 and -0.000001 credits do not make the 98.5 "
        "written there",
        f"account {changed.account_id}: it holds 95.5 credits, its last entry says 95.5, and its entries sum to "
        "96.999999",
    )


def test_amounts_beyond_what_a_database_adds_are_added(cast: Cast) -> None:
    with tampering.past_the_triggers():
        Entry.objects.update(amount_micro=2**63 - 1)
    assert "all entries together" in _broken()["tokens_sum"][0]


def test_a_changed_balance_is_named(cast: Cast) -> None:
    # The one column that triggers let pass.
    account = Account.objects.get(pk=cast.as_(cast.buyer).principal.pk)
    Account.objects.filter(pk=account.pk).update(balance_micro=F("balance_micro") + 1)
    assert _broken() == {
        "tokens_balances": (
            f"account {account.pk}: it holds 95.500001 credits, its last entry says 95.5, and its entries sum to 95.5",
        )
    }


def test_tokens_in_an_account_without_entries_are_named(cast: Cast) -> None:
    Account.objects.filter(kind=Account.Kind.TREASURY, shard=3).update(balance_micro=5_000_000)
    assert _broken() == {"tokens_balances": ("account -1003: it holds 5 credits and has no entry",)}


def test_a_changed_running_balance_is_named(cast: Cast) -> None:
    changed = _entries(cast)[2]
    with tampering.past_the_triggers():
        Entry.objects.filter(pk=changed.pk).update(balance_micro=1)
    said = _broken()["tokens_balances"]
    assert [line.split(":")[0] for line in said] == [
        f"entry {entry} of account {changed.account_id}" for entry in (changed.pk, _entries(cast)[3].pk)
    ]  # fmt: skip


def test_a_balance_below_its_floor_is_named(cast: Cast) -> None:
    buyer = cast.as_(cast.buyer).principal.pk
    with tampering.past_the_triggers():
        Account.objects.filter(pk=buyer).update(floor_micro=95_500_000)
        Entry.objects.filter(pk=_entries(cast)[1].pk).update(balance_micro=95_499_999)
    assert _broken()["tokens_floors"] == (
        f"entry {_entries(cast)[1].pk}: account {buyer} then held 95.499999 credits",
    )
    assert _without_checks(lambda: Account.objects.filter(pk=buyer).update(balance_micro=-1))
    assert (
        f"account {buyer} holds -0.000001 credits, its floor is 95.5"
        in (_broken()["tokens_floors"])
    )


def _without_checks(change: Callable[[], int]) -> bool:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("ALTER TABLE tokens_account DROP CONSTRAINT account_not_below_floor")
            return bool(change())
        cursor.execute("PRAGMA ignore_check_constraints = ON")
        try:
            return bool(change())
        finally:
            cursor.execute("PRAGMA ignore_check_constraints = OFF")


def test_an_entry_without_its_transfer_or_its_account_is_named(cast: Cast) -> None:
    gift = _entries(cast)[1]
    with tampering.past_the_triggers():
        Transfer.objects.filter(pk=gift.transfer_id)._raw_delete("default")
        Entry.objects.filter(pk=_entries(cast)[3].pk).update(account_id=10**9)
    said = _broken()["tokens_references"]
    assert {line.split(": ")[1] for line in said} == {
        f"there is no transfer {gift.transfer_id}",
        f"there is no account {10**9}",
    }


def test_a_transfer_without_enough_entries_is_named(cast: Cast) -> None:
    gift = _entries(cast)[3]
    with tampering.past_the_triggers():
        Entry.objects.filter(pk=gift.pk)._raw_delete("default")
    assert (
        f"transfer {gift.transfer_id}: it has 1 entries, and takes at least 2"
        in (_broken()["tokens_transfers"])
    )
    with tampering.past_the_triggers():
        Entry.objects.filter(transfer=gift.transfer_id)._raw_delete("default")
    assert (
        f"transfer {gift.transfer_id}: it has 0 entries, and takes at least 2"
        in (_broken()["tokens_transfers"])
    )


def test_a_transfer_that_nobody_caused_is_named(cast: Cast) -> None:
    gift = _entries(cast)[1].transfer_id
    with tampering.past_the_triggers():
        Transfer.objects.filter(pk=gift).update(actor_id=10**9)
    assert _broken()["tokens_references"] == (
        f"transfer {gift}: there is no principal {10**9}, who caused it",
    )


def test_a_key_under_two_transfers_is_named(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    # No database of ours holds two: what is asked is asked of a table without the constraint.
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE twice AS SELECT id, key FROM tokens_transfer "
            "UNION ALL SELECT id + 1000, key FROM tokens_transfer WHERE key LIKE 'gift:%%:1'", []
        )  # fmt: skip
    asked = audit._STEPS["keys"].replace("tokens_transfer", "twice")
    monkeypatch.setitem(audit._STEPS, "keys", asked)
    gift = _entries(cast)[2].transfer
    assert _broken() == {
        "tokens_keys": (
            f"the key {gift.key!r} stands under 2 transfers, from {gift.pk} to {gift.pk + 1000}",
        )
    }
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE twice")


@pytest.mark.parametrize("table", audit.APPEND_ONLY)
def test_a_missing_trigger_is_named(table: str) -> None:
    with connection.cursor() as cursor:
        on = f" ON {table}" if connection.vendor == "postgresql" else ""
        cursor.execute(f"DROP TRIGGER {table}_no_delete{on}")
    assert _broken() == {
        "tokens_append_only": (f"trigger {table}_no_delete is missing or disabled",)
    }


def test_a_deleted_transfer_is_named_by_the_seals(cast: Cast) -> None:
    gift = _entries(cast)[1].transfer_id
    with tampering.past_the_triggers():
        Transfer.objects.filter(pk=gift)._raw_delete("default")
        Entry.objects.filter(transfer=gift)._raw_delete("default")
    assert "1 of the 5 in the checkpoint are missing" in _broken()["tokens_seals"][0]
