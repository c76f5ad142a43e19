"""From rows to the log: keys, incomplete frames, who recorded it, and the runner that is no model."""

from typing import Any

import pytest

from mintmark.accounts.models import Membership
from mintmark.evidence.models import Event
from mintmark.rituals import evidence_claims, retention, runner_settings, runs
from mintmark.rituals.models import CaseRun, Dreamframe, RitualRun
from mintmark.rituals.runners import transcript
from mintmark.trust.tracker import AssistantTrustTracker
from tests.factories.market_fixture import sold_with_warranty
from tests.factories.ritual_scene import Scene, rows

pytestmark = pytest.mark.django_db


def test_the_same_rows_give_the_same_claims_and_enter_once(scene: Scene) -> None:
    run = scene.ran(frames=1)
    before = Event.objects.count()
    frame = Dreamframe.objects.get(run=run, number=0)
    first = evidence_claims.build_evidence(run=run, frame=frame, rows=rows(run)[:5])
    assert first == evidence_claims.build_evidence(run=run, frame=frame, rows=rows(run)[:5])
    Dreamframe.objects.filter(run=run).update(recorded="")
    for again in Dreamframe.objects.filter(run=run):
        assert evidence_claims.record_frame(
            run=run, frame=again, now=scene.now,
            on_recorded=lambda **batch: pytest.fail("recorded again"),
        )  # fmt: skip
    assert Event.objects.count() == before


def test_memories_that_are_cited_give_one_recall_event_a_frame(scene: Scene) -> None:
    scene.ran()
    (event,) = Event.objects.filter(kind=4)
    # The model repeats what it remembers, word for word.
    assert (event.score, event.runs) == (1.0, 2)


def test_a_complete_frame_enters_and_an_incomplete_one_does_not(scene: Scene) -> None:
    scene.reached(price_out_micro=1_000_000, at_once=1)
    run = scene.started(frames=1, cost_cap_micro=160_000)
    scene.worked()
    run.refresh_from_db()
    assert run.state == RitualRun.State.INCOMPLETE
    assert 5 <= runs.get_progress(run).done < 10
    assert Event.objects.filter(ritual=scene.ritual, kind=0).count() == 1
    assert not Event.objects.filter(kind=1).exists()
    assert Dreamframe.objects.get(run=run, number=1).score is None


def test_what_is_measured_shows_on_the_trust_map(scene: Scene) -> None:
    scene.ran("middling", frames=3)
    told = AssistantTrustTracker().explain(
        assistant=scene.cast.scout, prompt=scene.cast.prompt, now=scene.now
    )
    assert told.row.compliance is not None
    assert told.row.memory is not None
    assert told.row.volatility is not None


def test_an_operator_who_was_dismissed_meanwhile_enters_nothing(scene: Scene) -> None:
    scene.reached()
    run = scene.started()
    Membership.objects.filter(user=scene.cast.buyer).delete()
    scene.worked()
    frame = Dreamframe.objects.get(run=run, number=0)
    assert frame.recorded == "refused (forbidden)"
    assert frame.score == 1.0
    assert not Event.objects.filter(ritual=scene.ritual).exists()


def test_a_rehearsal_says_what_it_is_and_stays_out_of_the_log(scene: Scene, settings: Any) -> None:
    run = _rehearsed(scene)
    frame = Dreamframe.objects.get(run=run, number=0)
    assert frame.recorded == evidence_claims.NOT_RECORDED_NOTE
    assert frame.score is not None
    assert not Event.objects.filter(ritual=scene.ritual).exists()
    assert "no language model" in run.get_runner_kind_display()


def test_in_a_demo_a_rehearsal_enters_and_its_evidence_says_so(scene: Scene, settings: Any) -> None:
    settings.IS_DEMO = True
    _rehearsed(scene)
    events = Event.objects.filter(ritual=scene.ritual)
    assert events.exists()
    assert all("no language model" in event.note for event in events)


def _rehearsed(scene: Scene) -> RitualRun:
    setup = runner_settings.RunnerSettingsInput(kind="rehearsal")
    runner_settings.configure(
        caller=scene.caller, assistant=scene.cast.scout, setup=setup, now=scene.now
    )
    run = scene.started(frames=2)
    scene.worked()
    run.refresh_from_db()
    assert run.state == RitualRun.State.DONE
    return run


def test_a_rehearsal_is_the_same_every_time(scene: Scene) -> None:
    first, second = _rehearsed(scene), _rehearsed(scene)
    assert [row.output for row in rows(first)] == [row.output for row in rows(second)]
    assert [row.score for row in rows(first)] == [row.score for row in rows(second)]


def test_a_transcript_is_told_again(scene: Scene) -> None:
    told = transcript.validate_replies(
        [
            {"case": case, "output": "Urgent." if case != "typo" else "No."}
            for case in ("outage", "refund", "typo", "login", "style")
        ]
    )
    setup = runner_settings.RunnerSettingsInput(kind="transcript", transcript=told)
    runner_settings.configure(
        caller=scene.caller, assistant=scene.cast.scout, setup=setup, now=scene.now
    )
    run = scene.started()
    scene.worked()
    run.refresh_from_db()
    assert run.state == RitualRun.State.DONE
    assert Event.objects.get(kind=0, ritual=scene.ritual).score == pytest.approx(0.8)
    # It was written down in the plain frame, and says nothing of another one.
    other = scene.started(frames=1)
    scene.worked()
    other.refresh_from_db()
    assert other.state == RitualRun.State.INCOMPLETE
    assert Event.objects.filter(ritual=scene.ritual, kind=1).count() == 0


def test_outputs_are_forgotten_when_their_time_is_over(scene: Scene, settings: Any) -> None:
    settings.OUTPUT_DAYS = 7
    run = scene.ran("clumsy")
    scores = [row.score for row in rows(run)]
    assert all(row.output for row in rows(run))
    assert retention.purge_outputs(now=scene.now) == 0
    later = scene.now.replace(month=12)
    assert retention.purge_outputs(now=later) == 5
    assert retention.purge_outputs(now=later) == 0
    for row in rows(run):
        assert row.output == ""
        assert all(not verdict["excerpt"] for verdict in row.clauses)
        assert row.forgotten_at == later
    assert [row.score for row in rows(run)] == scores


def test_where_nothing_is_kept_outputs_are_judged_and_not_stored(
    scene: Scene, settings: Any
) -> None:
    settings.OUTPUT_DAYS = 0
    run = scene.ran()
    assert [row.output for row in rows(run)] == [""] * 5
    assert all(row.score == 1.0 for row in rows(run))
    assert CaseRun.objects.filter(run=run, tokens_out__gt=0).count() == 5


def test_a_run_decides_a_warranty_when_it_records(scene: Scene) -> None:
    secret = scene.cast.written("acme/mint", "Is {ticket} urgent?", is_open=False)
    warranty = sold_with_warranty(
        scene.cast, prompt=secret, ritual=scene.ritual, now=scene.now, runs=4
    )
    scene.ran(prompt=secret, frames=1)
    warranty.refresh_from_db()
    assert (warranty.state, warranty.score) == ("kept", 1.0)
