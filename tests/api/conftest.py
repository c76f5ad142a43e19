"""Fixtures of the API's tests."""

from typing import Any

import pytest

from tests.factories import api_world as worlds
from tests.standing import standing


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """An answer that is not of its declared shape is an error here: pydantic only warns of it."""
    for item in items:
        if "tests/api/" in item.nodeid:
            item.add_marker(pytest.mark.filterwarnings("error:Pydantic serializer warnings"))


@pytest.fixture
def built_world() -> worlds.World:
    world: worlds.World = standing("world", worlds.built)
    return world


@pytest.fixture
def world(db: None, built_world: worlds.World) -> worlds.World:
    """The cast and their things, recorded; on SQLite scores include them, on PostgreSQL nothing is folded."""
    return built_world


@pytest.fixture
def built_folded_world() -> worlds.World:
    world: worlds.World = standing("folded world", worlds.folded)
    return world


@pytest.fixture
def folded_world(db: None, built_folded_world: worlds.World) -> worlds.World:
    """As `world`, folded on every database; so is what the test adds."""
    return built_folded_world


@pytest.fixture
def committed_world(emptied_past_the_triggers: None, transactional_db: None) -> worlds.World:
    """As `world`, committed, for what other connections must see; folded too."""
    return worlds.folded()


@pytest.fixture(autouse=True)
def plain_static_files(settings: Any) -> None:
    """No manifest of static files is collected for these tests."""
    backend = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = settings.STORAGES | {"staticfiles": backend}
