"""Fixtures of the tests of the pages of measuring."""

import pytest
from django.test import Client

from tests.factories.runs_fixture import Laboratory
from tests.factories.web_scene import Scene
from tests.standing import standing


@pytest.fixture
def built_lab(built_scene: Scene) -> Laboratory:
    lab: Laboratory = standing("laboratory", Laboratory, upon="scene")
    return lab


@pytest.fixture
def lab(scene: Scene, built_lab: Laboratory) -> Laboratory:
    return built_lab


@pytest.fixture
def buyer(lab: Laboratory) -> Client:
    """An operator of the team whose scout ran."""
    return lab.scene.client(lab.cast.buyer)


@pytest.fixture
def seller(lab: Laboratory) -> Client:
    """An operator of another team."""
    return lab.scene.client(lab.cast.seller)


@pytest.fixture
def stranger(lab: Laboratory) -> Client:
    """Somebody without a role anywhere."""
    return lab.scene.client(lab.cast.stranger)
