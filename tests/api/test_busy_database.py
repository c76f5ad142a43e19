"""A database that others hold: a refusal that asks for patience, at every door, and nothing done by halves."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from django.db import DatabaseError, InterfaceError, connection
from django.test import Client

from mintmark.accounts.models import Key, User
from mintmark.storage import transient_errors
from tests.factories.api_world import World

from .test_bad_input import problem

pytestmark = pytest.mark.both("a database that is held or away says so in its own words")

NEW_KEY = {"note": "laptop", "scopes": ["read"]}


@contextmanager
def _held() -> Iterator[None]:
    """Others hold the database, and whoever waits for them gives up at once."""
    if connection.vendor == "postgresql":
        parameters = connection.get_connection_params()
        names = ("dbname", "host", "port", "user", "password")
        with psycopg.connect(**{name: parameters[name] for name in names}) as other:
            other.execute("LOCK TABLE accounts_key, accounts_user IN ACCESS EXCLUSIVE MODE")
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '20ms'")
            yield
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = DEFAULT")
    else:
        other_one = sqlite3.connect(connection.settings_dict["NAME"], uri=True)
        other_one.execute("BEGIN IMMEDIATE")
        with connection.cursor() as cursor:
            waits = cursor.execute("PRAGMA busy_timeout").fetchone()[0]
            cursor.execute("PRAGMA busy_timeout = 20")
        yield
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA busy_timeout = {waits}")
        other_one.close()


def test_the_api_says_when_to_ask_again_and_then_does_it_once(committed_world: World) -> None:
    operator = committed_world.as_("operator", scopes=("admin",))
    before = Key.objects.count()
    with _held():
        answer = operator.send("POST", "/keys", NEW_KEY, idempotency_key="one")
    problem(answer, 503, "database_unavailable")
    assert answer["Retry-After"] == "2"
    assert Key.objects.count() == before
    assert operator.send("POST", "/keys", NEW_KEY, idempotency_key="one").status_code == 201
    assert Key.objects.count() == before + 1


def test_a_page_says_so_without_asking_the_database(committed_world: World) -> None:
    User.objects.create_user(username="anna", password="a long password")
    # As a server: what a view raises becomes a page.
    browser = Client(raise_request_exception=False)
    typed = {"username": "anna", "password": "a long password"}
    with _held():
        answer = browser.post("/sign-in", typed)
    assert answer.status_code == 503
    assert answer["Retry-After"] == "2"
    assert "The database does not answer at the moment" in answer.content.decode()
    assert browser.post("/sign-in", typed).status_code == 302


def test_a_mistake_of_ours_is_no_busy_database(db: None) -> None:
    with pytest.raises(DatabaseError) as missing, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM no_such_table")
    assert not transient_errors.is_transient(missing.value)
    assert not transient_errors.is_transient(ValueError("locked"))


@pytest.mark.postgres
def test_a_line_that_was_cut_is_a_database_away(transactional_db: None) -> None:
    connection.ensure_connection()
    connection.connection.close()
    with pytest.raises((DatabaseError, InterfaceError)) as cut, connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    connection.close()
    assert transient_errors.is_transient(cut.value)
