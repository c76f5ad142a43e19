"""Fixtures of the tests of the market's pages."""

import pytest

from tests.factories.web_scene import Scene
from tests.standing import standing
from tests.web.market.pages import Town


@pytest.fixture
def built_town(built_scene: Scene) -> Town:
    town: Town = standing("town", Town, upon="scene")
    return town


@pytest.fixture
def town(scene: Scene, built_town: Town) -> Town:
    return built_town
