"""Locks: they last as long as a transaction, and on SQLite the transaction itself is the lock."""

import sqlite3

import pytest
from django.db import connection, transaction

from mintmark.accounts.models import Team
from mintmark.storage import locks


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("emptied_past_the_triggers")
def test_a_lock_outside_a_transaction_is_refused() -> None:
    for lock in (locks.share, locks.hold):
        with pytest.raises(transaction.TransactionManagementError, match="accounts_team"):
            lock(Team, [1])


@pytest.mark.skipif(connection.vendor != "sqlite", reason="it is about SQLite's one writer")
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("emptied_past_the_triggers")
def test_on_sqlite_nobody_writes_beside_a_transaction_that_has_only_looked() -> None:
    with transaction.atomic():
        locks.share(Team, [1])
        assert not Team.objects.exists()
        other = sqlite3.connect(connection.settings_dict["NAME"], timeout=0)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.close()


@pytest.mark.django_db
def test_no_rows_and_rows_that_are_not_there_are_locked_without_a_word() -> None:
    locks.share(Team, [])
    locks.hold(Team, [0, 0])
