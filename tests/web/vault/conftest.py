"""Fixtures of the tests of the pages of the vault."""

import pytest
from django.test import Client

from tests.factories.holdings_fixture import Holdings
from tests.factories.vault_fixture import Strongroom
from tests.standing import standing


@pytest.fixture
def built_room(built_holdings: Holdings) -> Strongroom:
    room: Strongroom = standing("strongroom", Strongroom, upon="holdings")
    return room


@pytest.fixture
def room(holdings: Holdings, built_room: Strongroom) -> Strongroom:
    return built_room


@pytest.fixture
def buyer(room: Strongroom) -> Client:
    return room.holdings.scene.client(room.cast.buyer)


@pytest.fixture
def admin(room: Strongroom) -> Client:
    return room.holdings.scene.client(room.holdings.scene.admin)


@pytest.fixture
def stranger(room: Strongroom) -> Client:
    return room.holdings.scene.client(room.cast.stranger)
