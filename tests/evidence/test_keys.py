"""A key is written once, whoever else writes it at the same moment."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from mintmark.common import errors
from mintmark.evidence import log
from mintmark.evidence.models import Batch, Event
from tests.factories.cast import NOW, Cast
from tests.installations import installation

pytestmark = pytest.mark.both("the log is appended, read and sealed with SQL of its own there")


@pytest.mark.django_db
def test_a_batch_of_known_and_new_keys_writes_the_new_ones() -> None:
    cast = Cast()
    first, second, third = _entries(cast, "a", "b", "c")
    before = _append(cast, [first, second])
    after = _append(cast, [second, third])
    assert (after.recorded, after.repeated) == (1, 1)
    assert Batch.objects.latest("id").size == 1
    again = _append(cast, [first, second])
    assert (again.recorded, again.repeated, again.batch) == (0, 2, None)
    assert again.event == before.event < after.event
    assert Event.objects.count() == 3
    assert Batch.objects.count() == 2


@pytest.mark.django_db
def test_a_clash_leaves_no_trace_of_its_batch() -> None:
    cast = Cast()
    first, second = _entries(cast, "a", "b")
    _append(cast, [first])
    with pytest.raises(errors.IdempotencyKeyReused) as refused:
        _append(cast, [second, replace(first, score=0.25)])
    assert [row["row"] for row in refused.value.rows] == [1]
    assert Event.objects.count() == 1
    assert Batch.objects.count() == 1


@pytest.mark.django_db
def test_a_claim_that_says_no_time_repeats_itself_at_any_time() -> None:
    cast = Cast()
    first, second = (replace(entry, is_dated=False) for entry in _entries(cast, "a", "b"))
    _append(cast, [first])
    later = NOW + timedelta(hours=1)
    again = _append(cast, [replace(first, occurred_at=later), replace(second, occurred_at=later)])
    assert (again.recorded, again.repeated) == (1, 1)
    assert Event.objects.get(key="a").occurred_at == NOW
    with pytest.raises(errors.IdempotencyKeyReused):
        _append(cast, [replace(first, occurred_at=later, score=0.25)])
    with pytest.raises(errors.IdempotencyKeyReused):  # now it says another time
        _append(cast, [replace(first, occurred_at=later, is_dated=True)])


@pytest.mark.django_db
def test_one_key_twice_in_one_batch_is_a_mistake_of_the_caller() -> None:
    cast = Cast()
    (entry,) = _entries(cast, "a")
    with pytest.raises(ValueError, match="twice"):
        _append(cast, [entry, entry])
    assert not Event.objects.exists()


@pytest.mark.django_db
def test_events_are_numbered_in_the_order_given() -> None:
    cast = Cast()
    names = [f"{n:03}" for n in (5, 3, 9, 1, 7, 2)]
    _append(cast, _entries(cast, *names))
    assert list(Event.objects.order_by("id").values_list("key", flat=True)) == names


@pytest.mark.postgres
def test_two_writers_of_one_key_write_it_once_and_both_are_answered() -> None:
    """The second waits for the first, finds its key taken, and counts it as repeated."""
    with installation() as house:
        told = json.loads(house.run("tests.evidence.two_writers"))
    assert told == {"waited": True, "recorded": 1, "repeated": 1, "events": 2}


def _append(cast: Cast, entries: Sequence[log.LogEntry]) -> log.AppendResult:
    actor = cast.as_(cast.buyer).principal
    return log.append(actor=actor, source="test", entries=entries, now=NOW)


def _entries(cast: Cast, *keys: str) -> list[log.LogEntry]:
    return [
        log.LogEntry(
            kind=0,
            prompt_id=cast.prompt.pk,
            assistant_id=cast.scout.pk,
            ritual_id=cast.triage.pk,
            cohort=0,
            admissible=True,
            score=0.5,
            runs=1,
            tags=("a\\b", '"quoted"'),
            note="",
            occurred_at=NOW,
            key=key,
        )
        for key in keys
    ]
