"""Fixtures of the tests of the pages of the vault."""

import pytest
from django.test import Client

from tests.web.holdings import Holdings
from tests.web.strongroom import Strongroom


@pytest.fixture
def room(holdings: Holdings) -> Strongroom:
    return Strongroom(holdings)


@pytest.fixture
def buyer(room: Strongroom) -> Client:
    return room.holdings.scene.client(room.cast.buyer)


@pytest.fixture
def admin(room: Strongroom) -> Client:
    return room.holdings.scene.client(room.holdings.scene.admin)


@pytest.fixture
def stranger(room: Strongroom) -> Client:
    return room.holdings.scene.client(room.cast.stranger)
