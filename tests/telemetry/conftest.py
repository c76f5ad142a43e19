"""Fixtures of the tests of telemetry."""

import pytest

from tests.cast import Cast

from .exports import Exporter


@pytest.fixture
def exporter(db: None) -> Exporter:
    """The buyer's exporter, with a mapping in force."""
    return Exporter(Cast())
