"""Fixtures of the tests of the market's pages."""

import pytest

from tests.web.market.pages import Town
from tests.web.scene import Scene


@pytest.fixture
def town(scene: Scene) -> Town:
    return Town(scene)
