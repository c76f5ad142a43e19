"""Who imports in these tests."""

import pytest

from mintmark.accounts.callers import Caller
from mintmark.cli import actor


@pytest.fixture
def operator(db: None) -> Caller:
    """The console: whoever gives commands at the machine."""
    return actor.get_caller()
