"""Fixtures of the tests of the pages of measuring."""

import pytest
from django.test import Client

from tests.web.laboratory import Laboratory
from tests.web.scene import Scene


@pytest.fixture
def lab(scene: Scene) -> Laboratory:
    return Laboratory(scene)


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
