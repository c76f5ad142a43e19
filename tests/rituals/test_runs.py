"""Runs: who may start one, what is refused before a call is made, what becomes of it."""

import pytest

from mintmark.common import errors
from mintmark.evidence.models import Event
from mintmark.registry import assistants, entitlements
from mintmark.rituals import definitions, runner_settings, runs
from mintmark.rituals.models import CaseRun, RitualRun
from tests.factories.ritual_scene import RITUAL, Scene, rows

from .model_server import Model

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.both("what two may do at once is locked row by row there"),
]

State = RitualRun.State


def test_a_run_asks_each_case_once_and_enters_one_outcome(scene: Scene, model: Model) -> None:
    run = scene.ran()
    assert (run.state, run.calls) == (State.DONE, 5), run.reason
    assert len(model.asked) == 5
    (outcome,) = Event.objects.filter(kind=0, ritual=scene.ritual)
    assert (outcome.score, outcome.runs) == (1.0, 5)
    assert outcome.actor == scene.caller.principal
    assert outcome.prompt == scene.cast.prompt


def test_what_is_sent_is_the_prompt_filled_and_what_is_remembered(
    scene: Scene, model: Model
) -> None:
    scene.ran()
    said = {one["messages"][-1]["content"]: one for one in model.asked}
    outage = said["Sort The whole site is down since nine o'clock. by urgency.\nAnswer:"]
    assert [one["role"] for one in outage["messages"]] == ["user"]
    assert (outage["temperature"], outage["max_tokens"]) == (0.0, 64)
    style = next(one for one in model.asked if one["messages"][0]["role"] == "system")
    assert "- Answer briefly and politely.\n- The night shift" in style["messages"][0]["content"]
    assert "first line of the ticket\nsecond line" in style["messages"][-1]["content"]


def test_progress_counts_over_all_frames(scene: Scene) -> None:
    scene.reached()
    run = scene.started(frames=2)
    before = runs.get_progress(run)
    assert (before.cases, before.done, before.frames, before.share) == (15, 0, 3, 0.0)
    scene.worked()
    after = runs.get_progress(run)
    assert (after.done, after.frames_done, after.share, after.score) == (15, 3, 1.0, 1.0)


def test_who_does_not_operate_the_assistant_starts_nothing(scene: Scene) -> None:
    scene.reached()
    for user in (scene.cast.seller, scene.cast.stranger, scene.cast.auditor):
        with pytest.raises(errors.Forbidden):
            scene.started(caller=scene.cast.as_(user))
    assert not RitualRun.objects.exists()


def test_a_prompt_that_the_team_may_not_use_is_not_sent_anywhere(scene: Scene) -> None:
    scene.reached()
    private = scene.cast.written("acme/private", "Sort {ticket}.", is_open=False)
    with pytest.raises(errors.Forbidden, match="may not use"):
        scene.started(prompt=private)


def test_a_withdrawn_prompt_is_not_sent_any_more(scene: Scene, model: Model) -> None:
    scene.reached()
    run = scene.started()
    entitlements.withdraw_permanently(
        caller=scene.cast.as_(scene.cast.seller),
        prompt=scene.cast.prompt,
        reason="harmful",
        now=scene.now,
    )
    scene.worked()
    run.refresh_from_db()
    assert run.state == State.INCOMPLETE
    assert "withdrawn" in run.reason
    assert model.asked == []


def test_cases_that_leave_a_variable_open_are_named(scene: Scene) -> None:
    scene.reached()
    other = scene.prompt_of("Sort {ticket} for {customer}.")
    with pytest.raises(runs.InvalidRun, match="outage: customer"):
        scene.started(prompt=other)


def test_a_memory_that_there_is_not_is_named(scene: Scene) -> None:
    scene.reached(assistant=scene.cast.assistant("novice", team=scene.cast.buyers))
    novice = assistants.resolve(reference="novice")
    with pytest.raises(runs.InvalidRun, match="house-style"):
        scene.started(assistant=novice)


def test_a_ritual_that_was_only_named_has_nothing_to_run(scene: Scene) -> None:
    scene.reached()
    with pytest.raises(errors.DomainError, match="no cases"):
        scene.started(ritual=scene.cast.triage)


def test_an_assistant_that_nobody_can_reach_runs_nothing(scene: Scene) -> None:
    with pytest.raises(runner_settings.InvalidRunner, match="runner"):
        scene.started()


@pytest.mark.parametrize(
    "wrong",
    [{"frames": -1}, {"frames": 101}, {"seed": -1}, {"seed": 2**31}, {"idempotency_key": "a\nb"}],
)
def test_numbers_out_of_bounds_are_refused(scene: Scene, wrong: dict[str, object]) -> None:
    scene.reached()
    with pytest.raises(runs.InvalidRun):
        scene.started(**wrong)


def test_the_same_key_starts_one_run(scene: Scene) -> None:
    scene.reached()
    first = scene.started(idempotency_key="nightly-1")
    assert scene.started(idempotency_key="nightly-1") == first
    with pytest.raises(errors.IdempotencyKeyReused):
        scene.started(idempotency_key="nightly-1", frames=1)
    assert RitualRun.objects.count() == 1


def test_a_cancelled_run_asks_nothing_more_and_keeps_what_it_has(
    scene: Scene, model: Model
) -> None:
    scene.reached(at_once=1)
    run = scene.started()

    def cancel_after_two(_: RitualRun) -> None:
        if CaseRun.objects.filter(run=run, state="done").count() == 2:
            runs.cancel(caller=scene.caller, run=run, now=scene.now)

    scene.worked(watch=cancel_after_two)
    run.refresh_from_db()
    assert run.state == State.CANCELLED
    assert "buyer" in run.reason
    assert len(model.asked) == 2
    assert runs.get_progress(run).done == 2
    assert not Event.objects.filter(ritual=scene.ritual).exists()
    assert runs.cancel(caller=scene.caller, run=run, now=scene.now).state == State.CANCELLED


def test_a_cancelled_run_that_is_resumed_pays_for_the_rest_alone(
    scene: Scene, model: Model
) -> None:
    scene.reached(at_once=1)
    run = scene.started()

    def cancel_after_two(_: RitualRun) -> None:
        if CaseRun.objects.filter(run=run, state="done").count() == 2:
            runs.cancel(caller=scene.caller, run=run, now=scene.now)

    scene.worked(watch=cancel_after_two)
    resumed = runs.resume(caller=scene.caller, run=run, now=scene.now)
    assert resumed.state == State.QUEUED
    scene.worked()
    run.refresh_from_db()
    assert run.state == State.DONE
    assert len(model.asked) == 5
    assert max(model.by_case.values()) == 1
    with pytest.raises(runs.InvalidRun, match="is done"):
        runs.resume(caller=scene.caller, run=run, now=scene.now)


def test_a_run_is_seen_by_the_assistants_team_alone(scene: Scene) -> None:
    run = scene.ran()
    assert list(runs.visible_to(caller=scene.caller)) == [run]
    for user in (scene.cast.seller, scene.cast.stranger):
        assert not runs.visible_to(caller=scene.cast.as_(user)).exists()


def test_a_run_that_began_with_another_model_is_not_resumed(scene: Scene) -> None:
    scene.reached()
    run = runs.cancel(caller=scene.caller, run=scene.started(), now=scene.now)
    scene.reached("clumsy")
    with pytest.raises(runs.InvalidRun, match="another"):
        runs.resume(caller=scene.caller, run=run, now=scene.now)


def test_runs_of_one_assistant_go_one_after_the_other(scene: Scene) -> None:
    scene.reached()
    first, second = scene.started(), scene.started()
    seen: list[object] = []

    def look(_: RitualRun) -> None:
        second.refresh_from_db()
        seen.append(second.state)
        assert scene.worked(holder="another worker") is None

    ran = scene.worked(watch=look)
    assert ran == first
    assert set(seen) == {State.QUEUED}
    assert scene.worked() == second


def test_a_changed_ritual_is_another_version_and_old_evidence_stays(scene: Scene) -> None:
    run = scene.ran()
    changed = definitions.load_ritual(text=RITUAL.replace("Urgent", "Very urgent"))
    assert (changed.name, changed.version) == ("urgency", 2)
    assert Event.objects.filter(kind=0).get().ritual == run.ritual == scene.ritual
    assert definitions.load_ritual(text=RITUAL).version == 3  # the newest is compared
    assert rows(run)[0].case_id == "outage"
