"""What is settled waits for every transaction that may still write to this database, and for no other."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.db import connection

from mintmark.storage import watermark

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


@contextmanager
def _running(**changed: Any) -> Iterator[psycopg.Connection]:
    """A transaction that may write and has not ended; like DROP DATABASE it holds no lock on a table."""
    parameters = connection.get_connection_params() | changed
    names = ("dbname", "host", "port", "user", "password")
    with psycopg.connect(**{name: parameters[name] for name in names}) as other:
        other.execute("SELECT pg_current_xact_id()")
        yield other
        other.rollback()


def _newest_is_settled() -> bool:
    """Whether the newest transaction that has ended is settled."""
    with _running() as other:
        newest = other.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()
        other.commit()
    assert newest is not None
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {watermark.get_visible_sql()} FROM (VALUES (%s::bigint)) AS row (xid)", newest
        )
        return bool(cursor.fetchone()[0])


@pytest.fixture(autouse=True)
def _as_in_production(monkeypatch: pytest.MonkeyPatch, _a_test_sees_its_own_evidence: None) -> None:
    monkeypatch.undo()


def test_what_has_ended_is_settled() -> None:
    assert _newest_is_settled()


def test_a_transaction_that_runs_here_holds_up_what_came_after_it() -> None:
    with _running():
        assert not _newest_is_settled()
    assert _newest_is_settled()


def test_one_that_runs_in_another_database_of_the_cluster_holds_up_nothing() -> None:
    with _running(dbname="postgres"):
        assert _newest_is_settled()
        with _running():
            assert not _newest_is_settled()


def test_who_may_not_see_what_others_do_sees_what_is_settled_all_the_same() -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE stranger")
        cursor.execute("SET LOCAL ROLE stranger")
    with _running(dbname="postgres"):
        assert _newest_is_settled()
