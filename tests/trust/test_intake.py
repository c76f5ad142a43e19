"""The one door for evidence: what enters, what is refused and why; a refused batch leaves nothing behind."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from mintmark.common import errors
from mintmark.evidence.models import Batch, Event
from mintmark.projection import projector
from mintmark.trust import intake
from tests.factories.cast import Cast

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.both("evidence is folded by a process of its own there"),
]


@pytest.fixture
def cast(built_cast: Cast) -> Cast:
    return built_cast


def refused(cast: Cast, *claims: intake.EvidenceClaim) -> intake.InvalidEvidence:
    with pytest.raises(intake.InvalidEvidence) as caught:
        cast.record(*claims)
    assert Event.objects.count() == Batch.objects.count() == 0
    return caught.value


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("score", float("nan"), "from 0 to 1"),
        ("score", float("inf"), "from 0 to 1"),
        ("score", 1.0001, "from 0 to 1"),
        ("score", -0.0001, "from 0 to 1"),
        ("runs", 0, "from 1 to 1,000,000"),
        ("runs", -3, "from 1 to 1,000,000"),
        ("runs", 1_000_001, "from 1 to 1,000,000"),
        ("prompt", 10**15, "no prompt"),
        ("prompt", 10**30, "no prompt"),
        ("prompt", "nobody/nothing", "no prompt"),
        ("assistant", 999_999, "no assistant"),
        ("assistant", "nobody", "no assistant"),
        ("ritual", "none", "no ritual"),
        ("kind", "gossip", "one of outcome"),
        ("key", "", "1 to 200"),
        ("key", "k" * 201, "1 to 200"),
        ("key", "a\nb", "printable"),
        ("note", "n" * 401, "400"),
        ("tags", ("t" * 101,), "20 tags"),
        ("tags", ("t",) * 21, "20 tags"),
    ],
)
def test_a_bad_value_is_named_with_its_row(
    cast: Cast, field: str, value: object, says: str
) -> None:
    good = cast.outcome(score=0.5)
    bad = replace(cast.outcome(score=0.5), **{field: value})  # type: ignore[arg-type]
    error = refused(cast, good, bad)
    assert [row["row"] for row in error.rows] == [1]
    assert error.rows[0]["field"] == field
    assert says in error.rows[0]["message"]
    assert error.message.startswith("Row 1: ")


def test_every_bad_row_is_named(cast: Cast) -> None:
    bad = [replace(cast.outcome(score=0.5), score=2.0) for _ in range(3)]
    assert [row["row"] for row in refused(cast, *bad).rows] == [0, 1, 2]


def test_a_time_more_than_five_minutes_ahead_is_refused_and_a_little_drift_is_not(
    cast: Cast,
) -> None:
    late = replace(cast.outcome(score=0.5), occurred_at=cast.now + timedelta(minutes=6))
    assert "ahead" in refused(cast, late).rows[0]["message"]
    drift = replace(cast.outcome(score=0.5), occurred_at=cast.now + timedelta(minutes=4))
    assert cast.record(drift).recorded == 1


def test_a_time_without_zone_is_refused(cast: Cast) -> None:
    naive = replace(cast.outcome(score=0.5), occurred_at=datetime(2026, 1, 1))
    assert "zone" in refused(cast, naive).rows[0]["message"]


def test_measured_evidence_names_its_ritual_and_assistant(cast: Cast) -> None:
    assert refused(cast, replace(cast.outcome(score=0.5), ritual=None)).rows[0]["field"] == "ritual"
    assert (
        refused(cast, replace(cast.outcome(score=0.5), assistant=None)).rows[0]["field"]
        == "assistant"
    )


def test_the_same_key_with_the_same_body_is_answered_the_same(cast: Cast) -> None:
    claim = cast.outcome(score=0.5)
    first = cast.record(claim)
    again = cast.record(claim, now=cast.now)
    assert (again.recorded, again.repeated, again.event) == (0, 1, first.event)
    assert Event.objects.count() == 1


def test_the_same_key_with_another_body_is_refused_with_its_batch(cast: Cast) -> None:
    claim = cast.outcome(score=0.5)
    cast.record(claim)
    with pytest.raises(errors.IdempotencyKeyReused) as caught:
        cast.record(cast.outcome(score=0.6), replace(claim, score=0.7))
    assert [row["row"] for row in caught.value.rows] == [1]
    assert Event.objects.count() == 1


def test_a_key_twice_in_one_batch_is_refused(cast: Cast) -> None:
    claim = cast.outcome(score=0.5)
    assert "row 0" in refused(cast, claim, claim).rows[0]["message"]


def test_two_actors_may_use_the_same_key(cast: Cast) -> None:
    claim = cast.outcome(score=0.5)
    cast.record(claim)
    mine = replace(claim, assistant=cast.smith.pk)
    assert cast.record(mine, by=cast.seller).recorded == 1


def test_a_stranger_records_nothing_about_others_assistants(cast: Cast) -> None:
    for user in (cast.stranger, cast.seller, cast.auditor):
        with pytest.raises(errors.Forbidden):
            cast.record(cast.outcome(score=0.5), by=user)
    assert Event.objects.count() == 0


def test_an_empty_or_oversized_batch_is_refused(cast: Cast) -> None:
    with pytest.raises(intake.InvalidEvidence):
        cast.record()
    claim = cast.outcome(score=0.5)
    with pytest.raises(intake.InvalidEvidence, match="at most 10000"):
        cast.record(*[claim] * 10_001)


def test_a_rating_without_use_is_kept_and_moves_nothing(cast: Cast) -> None:
    cast.record(cast.claim("rating", assistant=None, score=1.0), by=cast.stranger)
    event = Event.objects.get()
    assert not event.admissible
    assert event.effect.weight == 0.0


def test_a_rating_after_use_by_ones_team_counts(cast: Cast) -> None:
    cast.record(cast.outcome(score=0.5))
    cast.record(cast.claim("rating", assistant=None, score=1.0))
    event = Event.objects.latest("id")
    assert event.admissible
    assert event.effect.weight > 0.0
    assert event.cohort == cast.buyers.pk


def test_reading_ones_own_write_can_be_waited_for(cast: Cast) -> None:
    receipt = cast.record(cast.outcome(score=0.5))
    projector.wait_for(receipt.event, seconds=5, now=cast.now)
    assert projector.includes_event(receipt.event)


@pytest.mark.django_db
def test_a_claim_without_a_time_of_its_own_is_the_same_when_it_is_sent_again_later() -> None:
    cast = Cast()
    claim = cast.outcome(score=0.5)
    first = cast.record(claim)
    again = cast.record(claim, now=cast.now + timedelta(hours=1))
    assert (again.recorded, again.repeated, again.event) == (0, 1, first.event)
    with pytest.raises(errors.IdempotencyKeyReused):
        cast.record(replace(claim, occurred_at=cast.now - timedelta(days=1)))
