"""Fixtures of the tests of webhooks."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.factories.market_fixture import Stall

from .receiver import Receiver, listening


@pytest.fixture
def stall(db: None, built_stall: Stall) -> Stall:
    """The cast at the market, each with a wallet."""
    return built_stall


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    """A real HTTP server on this machine, which the installation names as one that may be called."""
    with listening() as made:
        settings.WEBHOOK_HOSTS = [f"127.0.0.1:{made.port}"]
        yield made
