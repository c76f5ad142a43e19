"""Fixtures of the API's tests."""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from django.db import connection

from . import world as worlds


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """An answer that is not of its declared shape is an error here: pydantic only warns of it."""
    for item in items:
        if "tests/api/" in item.nodeid:
            item.add_marker(pytest.mark.filterwarnings("error:Pydantic serializer warnings"))


@pytest.fixture
def world(db: None) -> worlds.World:
    """The cast and their things, recorded; on SQLite scores include them, on PostgreSQL nothing is folded."""
    return worlds.built()


@pytest.fixture
def folded_world(emptied_past_the_triggers: None, transactional_db: None) -> worlds.World:
    """As `world`, committed, and folded on every database."""
    return worlds.folded()


@pytest.fixture(scope="session")
def emptied_past_the_triggers() -> Iterator[None]:
    """Let a database that was committed to be emptied, though triggers guard its books."""
    flush = connection.ops.execute_sql_flush

    def past_the_triggers(statements: Sequence[str]) -> Any:
        if connection.vendor == "postgresql":
            replica = "SET session_replication_role = "
            return flush([replica + "replica", *statements, replica + "DEFAULT"])
        connection.ensure_connection()
        enabled = sqlite3.SQLITE_DBCONFIG_ENABLE_TRIGGER
        connection.connection.setconfig(enabled, False)
        try:
            return flush(statements)
        finally:
            connection.connection.setconfig(enabled, True)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection.ops, "execute_sql_flush", past_the_triggers)
        yield


@pytest.fixture(autouse=True)
def plain_static_files(settings: Any) -> None:
    """No manifest of static files is collected for these tests."""
    backend = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = settings.STORAGES | {"staticfiles": backend}
