"""The tests run on databases that keep what they acknowledge in the way that production's do."""

import pytest
from django.db import connection

pytestmark = pytest.mark.both("it says how either database keeps what it acknowledges")

# A log written ahead in a file (in memory SQLite locks otherwise); a commit handed to the kernel.
KEPT_BY = {
    "sqlite": ("PRAGMA journal_mode", "wal"),
    "postgresql": ("SHOW synchronous_commit", "on"),
}


@pytest.mark.django_db
def test_a_commit_is_kept_as_in_production() -> None:
    question, answer = KEPT_BY[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(question)
        assert cursor.fetchone() == (answer,)
