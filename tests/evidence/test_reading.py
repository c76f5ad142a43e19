"""What is read from the log is what was recorded, on both databases, and reading does not scan what was read before."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st

from mintmark.evidence import log
from mintmark.evidence.models import Event
from tests.factories.cast import NOW, Cast

MOMENTS = st.datetimes(
    min_value=datetime(1990, 1, 1), max_value=datetime(2026, 11, 1), timezones=st.just(UTC)
)


pytestmark = [
    pytest.mark.django_db,
    pytest.mark.both("the log is appended, read and sealed with SQL of its own there"),
]


@pytest.fixture
def cast(built_cast: Cast) -> Cast:
    return built_cast


@settings(max_examples=25)
@given(
    moments=st.lists(
        MOMENTS | MOMENTS.map(lambda m: m.replace(microsecond=0)), min_size=1, max_size=20
    )
)
def test_times_are_read_as_they_were_recorded(moments: list[datetime]) -> None:
    with transaction.atomic():
        cast = Cast()
        cast.record(*[cast.outcome(score=0.5, occurred_at=moment) for moment in moments])
        part = log.read_slice(after=log.LogPosition(), at_most=100)
        transaction.set_rollback(True)
    assert part is not None
    assert part.at_days.tolist() == log.to_epoch_days(moments).tolist()


def test_every_column_is_read_as_it_was_recorded(cast: Cast) -> None:
    cast.record(
        cast.outcome(score=0.1, runs=7, occurred_at=NOW - timedelta(days=400)),
        cast.claim("approval", score=1 / 3),
        cast.claim("rating", assistant=None, score=0.25, tags=("clear", 'odd "one"')),
    )
    cast.record(cast.claim("clause", assistant=None, score=0.0), by=cast.seller)
    part = log.read_slice(after=log.LogPosition(), at_most=100)
    assert part is not None
    events = list(Event.objects.order_by("id"))
    for name, column in {
        "event": part.event, "xid": part.xid, "batch_id": part.batch, "kind": part.kind, "prompt_id": part.prompt,
        "actor_id": part.actor, "cohort": part.cohort, "admissible": part.admissible, "score": part.score,
        "runs": part.runs,
    }.items():  # fmt: skip
        assert column.tolist() == [
            getattr(event, "pk" if name == "event" else name) for event in events
        ], name
    assert part.assistant.tolist() == [event.assistant_id or -1 for event in events]
    assert part.ritual.tolist() == [event.ritual_id or -1 for event in events]
    assert part.tags == [(), (), ("clear", 'odd "one"'), ()]
    assert (
        part.at_days.tolist() == log.to_epoch_days([event.occurred_at for event in events]).tolist()
    )
    assert {column.dtype for column in (part.event, part.kind, part.assistant)} == {
        np.dtype("int64")
    }
    assert part.admissible.dtype == np.bool_


def test_reading_goes_on_where_it_stopped_without_scanning_what_came_before(cast: Cast) -> None:
    """An index that is searched by its first column alone costs more with every event there is."""
    cast.record(*[cast.outcome(score=0.5) for _ in range(5)])
    part = log.read_slice(after=log.LogPosition(), at_most=100)
    assert part is not None
    with CaptureQueriesContext(connection) as asked:
        assert log.read_slice(after=part.end, at_most=100) is None
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {asked[0]['sql']}")
            plan = " ".join(str(row[3]) for row in cursor.fetchall())
        assert "USING INTEGER PRIMARY KEY (rowid>?)" in plan
