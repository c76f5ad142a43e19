"""The log only grows, and is read in one order, whole batches at a time."""

import pytest
from django.db import DatabaseError, connection, transaction

from mintmark.evidence import log
from mintmark.evidence.models import Batch, Event
from mintmark.storage import watermark
from tests.factories.cast import Cast

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.both("the log is appended, read and sealed with SQL of its own there"),
]


@pytest.fixture
def cast(built_cast: Cast) -> Cast:
    cast = built_cast
    for size in (3, 1, 4):
        cast.record(*[cast.outcome(score=0.5) for _ in range(size)])
    return cast


def test_the_database_refuses_to_change_or_remove_an_event(cast: Cast) -> None:
    for change in (
        lambda: Event.objects.update(score=1.0),
        lambda: Event.objects.all()._raw_delete("default"),
        lambda: Batch.objects.update(size=1),
        lambda: Batch.objects.all()._raw_delete("default"),
    ):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            change()
    assert Event.objects.count() == 8


@pytest.mark.parametrize("at_most", [1, 2, 3, 5, 100])
def test_slices_hold_whole_batches_in_one_order(cast: Cast, at_most: int) -> None:
    slices = list(log.iter_slices(at_most=at_most))
    seen = [int(event) for part in slices for event in part.event]
    assert seen == sorted(Event.objects.values_list("id", flat=True))
    batches = [set(part.batch.tolist()) for part in slices]
    assert sum(len(b) for b in batches) == len(set().union(*batches)) == 3


def test_days_are_exact_to_the_microsecond(cast: Cast) -> None:
    moment = cast.now.replace(microsecond=123457)
    days = float(log.to_epoch_days([moment])[0])
    assert round(days * 86_400e6) == round(moment.timestamp() * 1e6)


def test_the_digest_of_an_entry_covers_everything_that_was_claimed() -> None:
    from dataclasses import fields, replace
    from datetime import timedelta

    from tests.factories.cast import NOW

    entry = log.LogEntry(
        kind=0, prompt_id=1, assistant_id=2, ritual_id=3, cohort=0, admissible=True, score=0.5,
        runs=1, tags=(), note="", occurred_at=NOW, key="k",
    )  # fmt: skip
    changed: dict[str, object] = {
        "kind": 1, "prompt_id": 9, "assistant_id": 9, "ritual_id": 9, "score": 0.25, "runs": 2,
        "tags": ("t",), "note": "n", "occurred_at": NOW + timedelta(microseconds=1),
        "cases": (log.CaseVerdict("case", 0.5),),
    }  # fmt: skip
    for name, value in changed.items():
        assert replace(entry, **{name: value}).compute_digest() != entry.compute_digest(), name  # type: ignore[arg-type]
    # What the server decides, and the key itself, are no part of the claim.
    others = {"cohort", "admissible", "key", "is_dated", "provenance"}
    assert {f.name for f in fields(entry)} - changed.keys() == others


@pytest.mark.postgres
def test_a_log_restored_into_a_younger_cluster_is_not_read_on_in_silence(cast: Cast) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO evidence_event SELECT (jsonb_populate_record(e, jsonb_build_object("
            "'id', 10^12, 'key', 'restored', 'xid', 10^15))).* FROM evidence_event e LIMIT 1"
        )
    with pytest.raises(
        watermark.WrongDatabaseCluster, match="pg_resetwal --next-transaction-id=10000"
    ):
        log.check_cluster()
