"""The worker's part: what endpoints do on bad days, leases, caps, and that nothing finished is paid for twice."""

import logging
import random
import re
import traceback
from datetime import timedelta

import pytest
from django.db import connection

from mintmark.evidence.models import Event
from mintmark.registry import codices
from mintmark.rituals import case_execution, definitions, dreamframes, leases, run_worker, runs
from mintmark.rituals.cost_budget import CostBudget
from mintmark.rituals.loop_thread import LoopThread
from mintmark.rituals.models import CaseRun, Dreamframe, RitualRun
from tests.factories.ritual_scene import KEY, KEY_NAME, Scene, rows

from .model_server import Model

pytestmark = pytest.mark.django_db

State = RitualRun.State


@pytest.mark.parametrize("model_name", ["flaky", "limited", "malformed-once", "broken-off"])
def test_what_fails_once_is_tried_again(scene: Scene, model: Model, model_name: str) -> None:
    run = scene.ran(model_name)
    assert run.state == State.DONE, run.reason
    assert run.calls == 10
    assert all(row.attempts == 2 for row in rows(run))


@pytest.mark.parametrize(
    ("model_name", "code"),
    [
        ("down", "status_500"),
        ("malformed", "malformed_reply"),
        ("huge", "reply_too_large"),
        ("slow", "timed_out"),
        ("trickle", "timed_out"),
        ("patient", "rate_limited"),
    ],
)
def test_what_keeps_failing_leaves_the_run_incomplete_and_the_log_empty(
    scene: Scene, model_name: str, code: str
) -> None:
    scene.reached(model_name, timeout_seconds=0.5, at_once=5)
    run = scene.started()
    scene.worked()
    run.refresh_from_db()
    assert run.state == State.INCOMPLETE
    assert {row.error for row in rows(run)} == {code}
    assert "5 cases failed" in run.reason
    assert not Event.objects.filter(ritual=scene.ritual).exists()


@pytest.mark.parametrize("model_name", ["unauthorised", "elsewhere"])
def test_what_every_call_would_get_stops_the_run_at_once(
    scene: Scene, model: Model, model_name: str
) -> None:
    scene.reached(model_name, at_once=1)
    run = scene.started()
    scene.worked()
    run.refresh_from_db()
    assert run.state == State.INCOMPLETE
    assert len(model.asked) == 1
    assert KEY not in run.reason


def test_a_run_that_failed_is_resumed_where_it_failed(scene: Scene, model: Model) -> None:
    scene.reached("flaky", attempts=1)
    run = scene.started()
    scene.worked()
    run.refresh_from_db()
    assert (run.state, runs.get_progress(run).failed) == (State.INCOMPLETE, 5)
    runs.resume(caller=scene.caller, run=run, now=scene.now)
    scene.worked()
    run.refresh_from_db()
    assert run.state == State.DONE
    assert set(model.by_case.values()) == {2}


def test_calls_at_once_stay_within_the_limit(scene: Scene, model: Model) -> None:
    model.delay_seconds = 0.05
    scene.reached(at_once=2)
    scene.started(frames=2)
    scene.worked()
    assert model.most_at_once == 2


def test_no_more_calls_begin_in_a_minute_than_are_allowed(
    scene: Scene, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mintmark.rituals.runners.retry.MINUTE_SECONDS", 0.6)
    scene.reached(per_minute=2, at_once=5)
    scene.started()
    scene.worked()
    begun = sorted(model.begun)
    assert all(later - first > 0.5 for first, later in zip(begun, begun[2:], strict=False))


def test_a_worker_that_fell_silent_loses_its_run_and_nothing_finished_is_asked_again(
    scene: Scene, model: Model, settings: object
) -> None:
    scene.reached(at_once=1)
    run = scene.started(frames=1)
    _die_after(3, scene, run)
    assert runs.get_progress(run).done == 3
    assert runs.get_progress(run).calling == 1
    assert scene.worked(holder="too early") is None
    scene.cast.now += timedelta(seconds=31)
    assert scene.worked(holder="the next worker") == run
    run.refresh_from_db()
    assert (run.state, runs.get_progress(run).done) == (State.DONE, 10)
    # The call that was under way when the worker died may have been asked before.
    assert sum(model.by_case.values()) == 10
    assert Event.objects.filter(ritual=scene.ritual, kind__in=(0, 1)).count() == 2


class _Killed(BaseException):
    """Stands for kill -9: nothing catches it."""


def _die_after(many: int, scene: Scene, run: RitualRun) -> None:
    def die(_: RitualRun) -> None:
        if CaseRun.objects.filter(run=run, state="done").count() == many:
            waiting = CaseRun.objects.filter(run=run, state="waiting").order_by("frame", "number")
            first = waiting.first()
            assert first is not None
            CaseRun.objects.filter(pk=first.pk).update(state="calling", reserved_micro=7)
            raise _Killed

    with pytest.raises(_Killed):
        scene.worked(holder="the first worker", watch=die)


def test_what_calls_of_the_dead_may_have_cost_counts_against_the_cap(scene: Scene) -> None:
    scene.reached(at_once=1)
    run = scene.started()
    _die_after(2, scene, run)
    scene.cast.now += timedelta(seconds=31)
    scene.worked()
    run.refresh_from_db()
    assert run.lost_micro == 7


def test_a_worker_that_lost_its_run_writes_nothing_more(scene: Scene) -> None:
    scene.reached(at_once=1)
    run = scene.started()
    other: list[RitualRun | None] = []

    def lose(_: RitualRun) -> None:
        if not other:
            RitualRun.objects.filter(pk=run.pk).update(lease_until=scene.now - timedelta(days=1))
            other.append(leases.acquire(RitualRun, worker_id="another", now=scene.now))

    scene.worked(watch=lose)
    run.refresh_from_db()
    assert other == [run]
    assert (run.state, run.lease_holder) == (State.RUNNING, "another")
    assert runs.get_progress(run).done == 1


def test_a_run_stops_before_it_goes_over_its_cap(scene: Scene) -> None:
    # A reply costs 20 tokens in and 11 out; a call reserves the bytes of what it asks and 64 tokens out.
    scene.reached(price_in_micro=1_000_000, price_out_micro=2_000_000, at_once=1)
    run = scene.started(cost_cap_micro=350_000)
    scene.worked()
    run.refresh_from_db()
    assert run.state == State.INCOMPLETE
    assert "cost cap" in run.reason
    assert 0 < run.spent_micro <= 350_000
    assert 0 < runs.get_progress(run).done < 5
    assert not Event.objects.filter(ritual=scene.ritual).exists()
    runs.resume(caller=scene.caller, run=run, now=scene.now, cost_cap_micro=10_000_000)
    scene.worked()
    run.refresh_from_db()
    assert run.state == State.DONE
    assert run.spent_micro == sum(row.cost_micro for row in rows(run)) == 5 * 42_000 + _style(run)


def _style(run: RitualRun) -> int:
    """What the reply that repeats memories costs beyond the others."""
    return rows(run)[-1].cost_micro - 42_000


def test_the_cap_counts_what_is_under_way(scene: Scene, model: Model) -> None:
    model.delay_seconds = 0.1
    scene.reached(price_out_micro=1_000_000, at_once=5)
    # Each call may cost 64,000: two of them fit, and a third one does once these turn out to be cheaper.
    run = scene.started(cost_cap_micro=140_000)
    scene.worked()
    run.refresh_from_db()
    assert model.most_at_once == 2
    assert run.spent_micro <= 140_000


def test_attempts_that_may_have_cost_something_stay_within_the_cap(
    scene: Scene, model: Model
) -> None:
    # Nobody knows what a reply that was too long to wait for cost: each attempt counts as its most, 64,000.
    scene.reached("slow", price_out_micro=1_000_000, at_once=5, attempts=10, timeout_seconds=0.2)
    run = scene.started(cost_cap_micro=300_000)
    scene.worked()
    run.refresh_from_db()
    assert run.state == State.INCOMPLETE
    assert len(model.asked) == 4
    assert run.spent_micro == 4 * 64_000


def test_a_mistake_in_judging_or_asking_fails_the_case_and_is_paid_for_once(
    scene: Scene, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mistaken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("urgent")

    with monkeypatch.context() as patch:
        patch.setattr("mintmark.rituals.grading.grade_answer", mistaken)
        run = scene.ran()
    assert (run.state, len(model.asked)) == (State.INCOMPLETE, 5)
    assert {(row.error, row.error_says) for row in rows(run)} == {
        ("not_judged", "its output could not be judged (ZeroDivisionError)")
    }
    with monkeypatch.context() as patch:
        patch.setattr("mintmark.rituals.runners.openai.OpenAIRunner.answer", mistaken)
        runs.resume(caller=scene.caller, run=run, now=scene.now)
        scene.worked()
    assert {row.error for row in rows(run)} == {"not_asked"}


def test_a_runners_own_cap_is_the_most_that_a_run_may_ask_for(scene: Scene) -> None:
    scene.reached(cost_cap_micro=5_000)
    assert scene.started().cost_cap_micro == 5_000
    assert scene.started(cost_cap_micro=9_000).cost_cap_micro == 5_000
    assert scene.started(cost_cap_micro=100).cost_cap_micro == 100


def test_the_key_is_sent_to_the_endpoint_and_stands_nowhere_else(
    scene: Scene, model: Model, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    run = scene.ran("leaky")
    assert model.keys == {f"Bearer {KEY}"}
    assert "[the endpoint's key]" in rows(run)[0].output
    assert "[a GitHub token]" in rows(run)[0].output
    written = _everything_written()
    assert KEY not in written
    assert "ghp_aaaa" not in written
    said = caplog.text + "".join(capsys.readouterr())
    assert KEY not in said
    assert "site is down" not in said
    assert "urgency." not in said


def test_no_failure_tells_a_key_or_what_was_asked(scene: Scene, model: Model) -> None:
    for name in ("unauthorised", "down", "malformed", "broken-off", "huge"):
        runner = scene.reached(name, attempts=1)
        run = scene.started()
        job = run_worker.prepare_run_executor(run)
        case, frame = job.definition.cases[0], dreamframes.load_frames(run=run)[0]
        model.by_case.clear()
        budget = CostBudget(cap_micro=None, spent_micro=0)
        answer = job.execute(
            case,
            job.build_request(case, frame),
            reservation_id=1,
            budget=budget,
            rng=random.Random(1),
        )
        with LoopThread() as board, pytest.raises(case_execution.CaseFailed) as raised:
            board.run(answer, timeout=20)
        told = "".join(traceback.format_exception(raised.value)) + repr(raised.value.__dict__)
        assert KEY not in told
        assert "site is down" not in told
        assert runner.model == name
        runs.cancel(caller=scene.caller, run=run, now=scene.now)


def _everything_written() -> str:
    tables = [t for t in connection.introspection.table_names() if not t.startswith("django")]
    written = []
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f'SELECT * FROM "{table}"')
            written += [repr(row) for row in cursor.fetchall()]
    return "\n".join(written)


def test_no_table_of_runs_holds_a_prompts_text(scene: Scene) -> None:
    scene.ran("clumsy")
    tables = [t for t in connection.introspection.table_names() if t.startswith("rituals_")]
    assert tables
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f'SELECT * FROM "{table}"')
            assert "by urgency" not in repr(cursor.fetchall())


def test_a_key_that_is_missing_stops_the_run_and_says_which(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, model: Model
) -> None:
    scene.reached()
    run = scene.started()
    monkeypatch.delenv(KEY_NAME)
    scene.worked()
    run.refresh_from_db()
    assert run.state == State.INCOMPLETE
    assert KEY_NAME in run.reason
    assert model.asked == []


def test_stopping_the_worker_gives_the_run_back(scene: Scene, model: Model) -> None:
    scene.reached(at_once=1)
    run = scene.started()
    scene.worked(watch=lambda _: scene.stop.set())
    run.refresh_from_db()
    assert (run.state, run.lease_holder) == (State.QUEUED, "")
    scene.stop.clear()
    scene.worked()
    run.refresh_from_db()
    assert run.state == State.DONE
    assert max(model.by_case.values()) == 1


def test_a_judge_decides_rubrics_and_is_paid_for(scene: Scene, model: Model) -> None:
    judge = scene.cast.assistant("judge", team=scene.cast.buyers)
    scene.reached("judge", assistant=judge, price_in_micro=1_000)
    scene.reached("clumsy", judge=judge)
    ritual = definitions.load_ritual(
        text="""
        name: judged
        tag: task:triage
        cases:
          - {id: a, vars: {ticket: one}, assert: [{type: llm-rubric, value: It says how urgent it is.}]}
          - {id: b, vars: {ticket: two}, assert: [{type: llm-rubric, value: It says how urgent it is.}]}
          - {id: c, vars: {ticket: six}, assert: [{type: not-llm-rubric, value: It is rude.}]}
        """
    )
    run = scene.started(ritual=ritual)
    scene.worked()
    run.refresh_from_db()
    assert run.state == State.DONE, run.reason
    assert len(model.asked) == 6
    for row in rows(run)[:2]:
        assert row.passed is ("urgent" in row.output)
        assert row.cost_micro == 20
    assert run.spent_micro == 60


def test_a_ritual_with_rubrics_needs_a_judge(scene: Scene) -> None:
    scene.reached()
    ritual = definitions.load_ritual(
        text="{name: j, tag: t, cases: [{vars: {ticket: x}, assert: [{type: llm-rubric, value: ok}]}]}"
    )
    with pytest.raises(runs.InvalidRun, match="no judge"):
        scene.started(ritual=ritual)


def test_clauses_are_checked_on_every_output_and_show_where_they_fail(scene: Scene) -> None:
    codex = codices.register(
        name="manners",
        clauses=[
            {
                "id": "no-orders",
                "text": "It gives no orders.",
                "severity": "warn",
                "applies_to": "output",
                "check": {"kind": "not-contains", "value": "call the"},
            }
        ],
    )
    codices.bind(prompt=scene.cast.prompt, codex=codex)
    run = scene.ran()
    row = rows(run)[0]
    verdict = next(one for one in row.clauses if one["clause"] == "no-orders")
    assert verdict["holds"] is False
    assert verdict["codex"] == "manners@1"
    start, end = verdict["span"]
    assert row.output[start:end].lower() == "call the"
    assert "night shift" in verdict["excerpt"]
    events = Event.objects.filter(kind=5, prompt=scene.cast.prompt, assistant=scene.cast.scout)
    broken = next(event for event in events if "no-orders" in event.note)
    assert (broken.score, broken.runs) == (0.0, 5)
    assert "first broken by case outage" in broken.note
    assert "night shift" not in broken.note


def test_frames_are_recorded_and_differ(scene: Scene, model: Model) -> None:
    run = scene.ran("middling", frames=4, seed=11)
    frames = list(Dreamframe.objects.filter(run=run).order_by("number"))
    assert [frame.context["number"] for frame in frames] == [0, 1, 2, 3, 4]
    assert frames[0].context["paraphrases"] == []
    assert all(frame.context["paraphrases"] for frame in frames[1:])
    assert len({frame.context["seed"] for frame in frames}) == 5
    replays = Event.objects.filter(kind=1, ritual=scene.ritual).order_by("id")
    assert [event.runs for event in replays] == [5] * 4
    for event, frame in zip(replays, frames[1:], strict=True):
        assert f"dreamframe {frame.number}: temperature" in event.note
        assert event.score == frame.score
    styles = {
        one["messages"][-1]["content"] for one in model.asked if "line of" in str(one["messages"])
    }
    assert len(styles) > 1, "the order of inputs stayed the same in every frame"
    memories = {one["messages"][0]["content"] for one in model.asked if len(one["messages"]) == 2}
    assert len(memories) == 2, "the order of memory stayed the same in every frame"
    assert re.search(r"to close the books", str(model.asked))


def test_the_same_run_asks_the_same(scene: Scene) -> None:
    first, second = scene.ran(frames=3, seed=5), scene.ran(frames=3, seed=5)
    assert [row.asked for row in rows(first)] == [row.asked for row in rows(second)]
    other = scene.ran(frames=3, seed=6)
    assert [row.asked for row in rows(first)][5:] != [row.asked for row in rows(other)][5:]
