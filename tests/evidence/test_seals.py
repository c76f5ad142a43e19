"""Seals of the log: what was sealed is proved to stand, and whatever is done to it is named."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from mintmark.evidence import checkpoints
from mintmark.evidence.models import Batch, Event, EvidenceCheckpoint
from mintmark.signing import merkle
from mintmark.storage import checkpoints as chains
from mintmark.storage import row_encoding
from tests import tampering
from tests.factories.cast import NOW, Cast

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.both("the log is appended, read and sealed with SQL of its own there"),
]


@pytest.fixture
def cast(built_cast: Cast) -> Cast:
    """Eight events in three batches, with ids left out after each; and seals of 3, 3 and 2 events."""
    cast = built_cast
    for size in (3, 1, 4):
        cast.record(*[cast.outcome(score=0.5) for _ in range(size)])
        tampering.leave_ids_out("evidence_event")
    checkpoints.create_checkpoints(now=NOW, at_most=3)
    return cast


def _ids() -> list[int]:
    return list(Event.objects.order_by("id").values_list("id", flat=True))


def _broken() -> tuple[str, ...]:
    return checkpoints.verify().broken


def test_seals_part_the_log_without_a_gap(cast: Cast) -> None:
    ids = _ids()
    found = list(EvidenceCheckpoint.objects.order_by("number"))
    assert [(s.number, s.count) for s in found] == [(1, 3), (2, 3), (3, 2)]
    assert [(s.first_id, s.last_id) for s in found] == [
        (ids[0], ids[2]), (ids[3], ids[5]), (ids[6], ids[7]),
    ]  # fmt: skip
    assert bytes(found[0].previous) == bytes(32)
    assert [bytes(s.previous) for s in found[1:]] == [bytes(s.digest) for s in found[:2]]
    assert checkpoints.get_head() == chains.ChainHead(
        book="evidence", number=3, digest=bytes(found[2].digest)
    )
    finding = checkpoints.verify()
    assert finding.holds and finding.checked == 3


def test_a_second_time_there_is_nothing_to_seal(cast: Cast) -> None:
    head = checkpoints.get_head()
    assert checkpoints.create_checkpoints(now=NOW) == []
    assert checkpoints.get_head() == head
    cast.record(cast.outcome(score=0.5))
    assert [(s.number, s.count) for s in checkpoints.create_checkpoints(now=NOW)] == [(4, 1)]
    assert not _broken()


def test_an_empty_log_has_a_head_that_every_chain_keeps() -> None:
    nothing = checkpoints.get_head()
    assert str(nothing) == f"evidence:0:{'0' * 64}"
    cast = Cast()
    cast.record(cast.outcome(score=0.5))
    checkpoints.create_checkpoints(now=NOW)
    assert chains.explain_missing_head(checkpoints.CHECKPOINTED_TABLE, nothing) is None


def test_a_leaf_is_the_documented_columns_of_an_event_and_its_batch() -> None:
    cast = Cast()
    moment = NOW - timedelta(microseconds=1)
    cast.record(
        cast.outcome(score=0.1, occurred_at=moment, note="mind é"),
        cast.claim("rating", assistant=None, score=0.75, tags=("clear", "short")),
        by=cast.buyer,
    )
    (made,) = checkpoints.create_checkpoints(now=NOW)
    records = []
    for e in Event.objects.order_by("id").select_related("batch"):
        tags = "[]" if not e.tags else '["clear","short"]'
        records.append(
            row_encoding.encode(
                (
                    e.pk, e.xid, e.batch_id, e.kind, e.prompt_id, e.assistant_id, e.ritual_id, e.actor_id, e.cohort,
                    int(e.admissible), e.score, e.runs, tags, e.note, row_encoding.to_micros(e.occurred_at),
                    row_encoding.to_micros(e.recorded_at), e.key, bytes(e.digest), e.batch.actor_id, e.batch.source,
                    row_encoding.to_micros(e.batch.recorded_at), e.batch.size, e.provenance,
                )
            )
        )  # fmt: skip
    assert bytes(made.root) == merkle.compute_root(records)


CLAIMED = {
    "score": 0.25, "runs": 11, "note": "x", "tags": ["x"], "kind": 1, "digest": bytes(32), "ritual_id": None,
    "assistant_id": None, "occurred_at": NOW - timedelta(days=9),
}  # fmt: skip
DECIDED = {
    "cohort": 7, "admissible": False, "key": "x", "recorded_at": NOW - timedelta(days=9), "prompt_id": 10**9,
    "actor_id": 10**9, "batch_id": 10**9, "provenance": 5,
}  # fmt: skip


def test_a_change_to_any_column_of_an_event_is_named(cast: Cast) -> None:
    event = _ids()[4]
    places = {"id", "xid"}  # who changes those moves the event to another place
    columns = {field.column for field in Event._meta.concrete_fields}
    assert CLAIMED.keys() | DECIDED.keys() | places == columns
    for column, value in (CLAIMED | DECIDED).items():
        with tampering.tried():
            Event.objects.filter(pk=event).update(**{column: value})
            said = _broken()
        assert said[0].startswith("checkpoint 2, rows "), column
        assert "the 3 rows differ from those in the checkpoint: changed since" in said[0]
        # Of what the actor claimed there is a digest beside it: so the very event is known.
        if column in CLAIMED or column == "prompt_id":
            assert said[1:] == (
                f"event {event} was changed: its digest does not match its content",
            )
        else:
            assert len(said) == 1, column
    assert not _broken()


@pytest.mark.skipif(connection.vendor == "postgresql", reason="there it moves the event")
def test_a_changed_transaction_of_an_event_is_named(cast: Cast) -> None:
    with tampering.tried():
        Event.objects.filter(pk=_ids()[4]).update(xid=77)
        assert "changed since" in _broken()[0]


@pytest.mark.postgres
def test_an_event_that_is_moved_to_another_place_is_missing_from_its_own(cast: Cast) -> None:
    event = Event.objects.get(pk=_ids()[4])
    with tampering.past_the_triggers():
        Event.objects.filter(pk=event.pk).update(xid=event.xid + 1)
    assert "1 of the 3 in the checkpoint are missing" in _broken()[0]


def test_a_change_to_a_batch_is_named(cast: Cast) -> None:
    changes: list[dict[str, object]] = [
        {"source": "elsewhere"}, {"recorded_at": NOW - timedelta(days=1)}, {"size": 2}, {"actor_id": 10**9},
    ]  # fmt: skip
    batch = Event.objects.get(pk=_ids()[3]).batch_id
    for change in changes:
        with tampering.tried():
            Batch.objects.filter(pk=batch).update(**change)
            assert [line[:12] for line in _broken()] == ["checkpoint 2"], change
    with tampering.tried():
        Batch.objects.filter(pk=batch)._raw_delete("default")
        assert [line[:12] for line in _broken()] == ["checkpoint 2"]


def test_a_missing_event_is_named(cast: Cast) -> None:
    with tampering.tried():
        Event.objects.filter(pk=_ids()[5])._raw_delete("default")
        (said,) = _broken()
    assert said.startswith("checkpoint 2, rows ")
    assert "1 of the 3 in the checkpoint are missing" in said


def test_an_event_slipped_into_a_sealed_range_is_named(cast: Cast) -> None:
    ids = _ids()
    # Before the first, between two seals, and within one.
    for beside, pk, number in ((0, -5, 1), (2, ids[2] + 1, 2), (3, ids[3] + 1, 2)):
        with tampering.tried():
            event = Event.objects.get(pk=ids[beside])
            event.pk, event.key = pk, "slipped in"
            event.save(force_insert=True)
            (said,) = _broken()
        assert said.startswith(f"checkpoint {number}, rows ")
        assert "1 more than the 3 in the checkpoint: inserted since" in said


def test_an_event_after_the_last_seal_is_nobodys_lie(cast: Cast) -> None:
    cast.record(cast.outcome(score=0.5))
    assert not _broken()


def test_a_changed_seal_is_named(cast: Cast) -> None:
    changes: list[dict[str, object]] = [
        {"count": 2}, {"root": bytes(32)}, {"sealed_at": NOW + timedelta(hours=1)}, {"digest": bytes(32)},
        {"first_id": 1}, {"first_xid": -1}, {"last_id": 10**9}, {"last_xid": 10**9}, {"previous": bytes(32)},
    ]  # fmt: skip
    for change in changes:
        with tampering.tried():
            EvidenceCheckpoint.objects.filter(number=2).update(**change)
            said = _broken()
        assert "checkpoint 2 was changed: its digest does not match its content" in said, change


def test_a_seal_that_was_made_anew_breaks_the_chain(cast: Cast) -> None:
    two = EvidenceCheckpoint.objects.get(number=2)
    two.sealed_at += timedelta(hours=1)
    two.digest = two.compute_digest(book="evidence")
    with tampering.past_the_triggers():
        two.save(force_update=True)
    assert _broken() == ("checkpoint 3 does not follow checkpoint 2: the chain is broken there",)


def test_a_missing_seal_is_named_and_its_events_are_not_laid_on_the_next(cast: Cast) -> None:
    with tampering.past_the_triggers():
        EvidenceCheckpoint.objects.filter(number=2).delete()
    assert _broken() == ("checkpoint 2 is missing",)
    with tampering.past_the_triggers():
        EvidenceCheckpoint.objects.filter(number=1).delete()
    assert _broken() == ("checkpoints 1 to 2 are missing",)


def test_only_a_remembered_head_knows_of_the_last_seal(cast: Cast) -> None:
    head = checkpoints.get_head()
    with tampering.past_the_triggers():
        EvidenceCheckpoint.objects.filter(number=3).delete()
    assert not _broken()
    assert "the chain has no checkpoint 3; it ended at evidence:2:" in (
        chains.explain_missing_head(checkpoints.CHECKPOINTED_TABLE, head) or ""
    )
    checkpoints.create_checkpoints(now=NOW + timedelta(hours=1))
    assert not _broken()
    assert "checkpoint 3 now has the digest" in (
        chains.explain_missing_head(checkpoints.CHECKPOINTED_TABLE, head) or ""
    )


def test_a_head_is_read_as_it_is_printed(cast: Cast) -> None:
    head = checkpoints.get_head()
    assert chains.ChainHead.parse(str(head)) == head
    for text in ("", "evidence:3", "evidence:x:" + "0" * 64, "evidence:3:" + "0" * 63):
        with pytest.raises(ValueError, match="BOOK:NUMBER:DIGEST"):
            chains.ChainHead.parse(text)


def test_the_database_refuses_to_change_or_remove_a_seal(cast: Cast) -> None:
    changes: list[Callable[[], object]] = [
        lambda: EvidenceCheckpoint.objects.update(count=1),
        lambda: EvidenceCheckpoint.objects.all()._raw_delete("default"),
    ]
    for change in changes:
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            change()


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_what_a_running_transaction_may_still_precede_is_not_sealed(
    emptied_past_the_triggers: None,
) -> None:
    cast = Cast()
    begun, done = threading.Event(), threading.Event()

    def slow_writer() -> None:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT pg_current_xact_id()")
                begun.set()
                done.wait(30)
        finally:
            connection.close()

    cast.record(cast.outcome(score=0.5))
    thread = threading.Thread(target=slow_writer)
    thread.start()
    begun.wait(30)
    try:
        cast.record(cast.outcome(score=0.5))
        (made,) = checkpoints.create_checkpoints(now=NOW)
        assert made.count == 1
    finally:
        done.set()
        thread.join()
    assert [one.count for one in checkpoints.create_checkpoints(now=NOW)] == [1]
    assert checkpoints.verify().holds
