"""Fixtures of the API's tests."""

from typing import Any

import pytest

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


@pytest.fixture(autouse=True)
def plain_static_files(settings: Any) -> None:
    """No manifest of static files is collected for these tests."""
    backend = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = settings.STORAGES | {"staticfiles": backend}
