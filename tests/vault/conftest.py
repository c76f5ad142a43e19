"""Fixtures of the vault's tests."""

import pytest

from tests.factories.market_fixture import Stall


@pytest.fixture
def stall(db: None, built_stall: Stall) -> Stall:
    """The cast at the market, each with a wallet."""
    return built_stall
