"""Fixtures of the tests of the pages around what one owns."""

import pytest
from django.test import Client

from tests.factories.holdings_fixture import Holdings


@pytest.fixture
def buyer(holdings: Holdings) -> Client:
    return holdings.scene.client(holdings.cast.buyer)


@pytest.fixture
def seller(holdings: Holdings) -> Client:
    return holdings.scene.client(holdings.cast.seller)


@pytest.fixture
def stranger(holdings: Holdings) -> Client:
    return holdings.scene.client(holdings.cast.stranger)
