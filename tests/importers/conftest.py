"""Who imports in these tests."""

import pytest

from mintmark.accounts.callers import Caller
from mintmark.cli import console


@pytest.fixture
def operator(db: None) -> Caller:
    """The console: whoever gives commands at the machine."""
    return console.caller()
