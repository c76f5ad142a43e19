"""Fixtures of the pages' tests: the cast with evidence recorded, and a reader for each of them."""

from typing import Any

import pytest
from django.test import Client

from tests.factories.holdings_fixture import Holdings
from tests.factories.web_scene import Scene
from tests.standing import standing


@pytest.fixture(autouse=True)
def plain_static_files(settings: Any) -> None:
    """No manifest of static files is collected for these tests."""
    backend = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = settings.STORAGES | {"staticfiles": backend}


@pytest.fixture
def built_scene() -> Scene:
    scene: Scene = standing("scene", Scene)
    return scene


@pytest.fixture
def scene(db: None, built_scene: Scene) -> Scene:
    """Prompts, assistants and evidence of every kind, folded; for tests marked `django_db`."""
    return built_scene


@pytest.fixture
def reader(scene: Scene) -> Client:
    """A signed-in person of the buyers' team."""
    return scene.client(scene.cast.buyer)


@pytest.fixture
def built_holdings(built_scene: Scene) -> Holdings:
    holdings: Holdings = standing("holdings", Holdings, upon="scene")
    return holdings


@pytest.fixture
def holdings(scene: Scene, built_holdings: Holdings) -> Holdings:
    """A week of trade beside the scene."""
    return built_holdings
