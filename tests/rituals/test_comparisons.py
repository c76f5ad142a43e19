"""Comparisons: pairs counted in their order, nothing left out, nothing paid for twice, the same to the last bit."""

import random
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from mintmark.common import errors
from mintmark.evidence.models import Event
from mintmark.experiments import decision, sequential_test
from mintmark.registry import entitlements
from mintmark.registry.models import Prompt
from mintmark.rituals import comparison_worker, comparisons, definitions, leases, runs
from mintmark.rituals.models import Comparison, ComparisonCall, RitualRun
from tests.factories.ritual_scene import Scene

from .model_server import Model

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.both("what two may do at once is locked row by row there"),
]

State = Comparison.State


@pytest.fixture
def careful(scene: Scene) -> Prompt:
    """A prompt that an attentive model follows, where it does the cast's by halves."""
    return scene.prompt_of("Say carefully how urgent this is: {ticket}")


def begun(scene: Scene, careful: Prompt, **changes: Any) -> Comparison:
    asked: dict[str, Any] = {
        "caller": scene.caller, "first": careful, "second": scene.cast.prompt, "assistant": scene.cast.scout,
        "ritual": scene.ritual, "now": scene.now,
    }  # fmt: skip
    return comparisons.start(**(asked | changes))


def worked(scene: Scene, *, holder: str = "worker", watch: Any = lambda _: None) -> Comparison:
    ran = comparison_worker.process_next_comparison(
        worker_id=holder,
        clock=scene.clock,
        rng=random.Random(1),
        stop=scene.stop,
        on_progress=watch,
    )
    assert ran is not None
    ran.refresh_from_db()
    return ran


def unseen(comparison: Comparison) -> sequential_test.ComparisonState:
    """Its state before any pair."""
    cases = comparisons.list_weighted_cases(definitions.get_definition(comparison.ritual))
    return sequential_test.start(weights=[case.weight for case in cases])


def folded_anew(comparison: Comparison) -> bytes:
    """What the rows of a comparison come to, from the first pair on."""
    state = unseen(comparison)
    for pair in comparisons.list_completed_pairs(comparison, after=0):
        state = comparisons.update_state(state, [pair])
    return sequential_test.serialize(state)


def test_the_better_prompt_is_found_and_the_comparison_ends(
    scene: Scene, careful: Prompt, model: Model
) -> None:
    scene.reached("attentive")
    comparison = begun(scene, careful)
    done = worked(scene)
    told = comparisons.get_progress(done)
    assert (done.state, told.decision.value) == (State.DONE, "first")
    assert told.result.low > 0.0
    assert told.result.pairs == told.pairs_drawn == done.counted < 200
    assert len(model.asked) == done.calls == 2 * done.counted
    assert sum(one.pairs for one in told.cases) == done.counted
    trail = comparisons.list_snapshots(done, max_snapshots=1_000)
    assert trail[-1].low == told.result.low
    pairs = [one.pairs for one in trail]
    assert pairs == sorted(set(pairs)) and pairs[0] <= comparisons.PAIRS_PER_DRAW
    few = comparisons.list_snapshots(done, max_snapshots=2)
    assert len(few) <= 2 < len(trail)
    assert few[-1] == trail[-1]
    assert not Event.objects.filter(ritual=scene.ritual).exists()
    assert comparison == done


def test_what_is_stored_is_what_the_pairs_come_to_bit_for_bit(
    scene: Scene, careful: Prompt
) -> None:
    scene.reached("middling")
    begun(scene, careful, most_pairs=25)
    done = worked(scene)
    assert done.counted == 25
    assert bytes(done.packed) == folded_anew(done)
    assert [look.pairs for look in done.looks.order_by("pairs")][-1] == 25
    for look in done.looks.all():
        pairs = comparisons.list_completed_pairs(done, after=0)[: look.pairs]
        said = decision.evaluate(comparisons.update_state(unseen(done), pairs))
        assert (look.mean, look.low, look.high) == (said.mean, said.low, said.high)


def test_a_worker_that_dies_is_gone_on_after_and_nothing_is_asked_twice(
    scene: Scene, careful: Prompt, model: Model
) -> None:
    class Died(BaseException):
        pass

    def dying(comparison: Comparison) -> None:
        if comparison.pair_runs.filter(state=ComparisonCall.State.DONE).count() >= 7:
            raise Died

    scene.reached("middling", at_once=1)
    comparison = begun(scene, careful, most_pairs=15)
    with pytest.raises(Died):
        worked(scene, watch=dying)
    done_before = set(
        comparison.pair_runs.filter(state=ComparisonCall.State.DONE).values_list("asked", flat=True)
    )
    scene.cast.now = leases._compute_lease_end(scene.now)
    done = worked(scene, holder="another")
    assert (done.state, done.counted) == (State.DONE, 15)
    again = [
        asked for asked in done_before if ComparisonCall.objects.filter(asked=asked, attempts__gt=1)
    ]
    assert not again
    assert len(model.asked) == 30
    unbroken = begun(scene, careful, most_pairs=15)
    assert bytes(worked(scene).packed) == bytes(done.packed)
    assert unbroken.pk != comparison.pk


def test_a_pair_that_failed_is_asked_again_and_none_is_left_out(
    scene: Scene, careful: Prompt
) -> None:
    scene.reached("flaky", attempts=1, at_once=3)
    begun(scene, careful, most_pairs=4)
    stopped = worked(scene)
    assert (stopped.state, stopped.counted) == (State.INCOMPLETE, 0)
    assert "8 cases failed" in stopped.reason
    comparisons.resume(caller=scene.caller, comparison=stopped)
    done = worked(scene)
    assert (done.state, done.counted) == (State.DONE, 4)
    assert done.calls == 16


def test_a_cap_ends_it_and_a_higher_one_goes_on(scene: Scene, careful: Prompt) -> None:
    scene.reached("middling", price_in_micro=1_000, price_out_micro=1_000, at_once=2)
    begun(scene, careful, most_pairs=30, cost_cap_micro=1_500)
    stopped = worked(scene)
    assert stopped.state == State.INCOMPLETE
    assert "cost cap" in stopped.reason
    assert stopped.spent_micro <= 1_500
    comparisons.resume(caller=scene.caller, comparison=stopped, cost_cap_micro=1_000_000)
    assert worked(scene).counted == 30


def test_it_is_stopped_at_once_and_says_what_it_knew(scene: Scene, careful: Prompt) -> None:
    scene.reached("middling", at_once=1)
    comparison = begun(scene, careful)

    def watch(_: object) -> None:
        if comparison.pair_runs.filter(state=ComparisonCall.State.DONE).count() == 20:
            comparisons.stop(caller=scene.caller, comparison=comparison, now=scene.now)

    stopped = worked(scene, watch=watch)
    assert (stopped.state, stopped.reason) == (State.CANCELLED, "cancelled by buyer")
    assert 9 <= comparisons.get_progress(stopped).result.pairs <= 10  # the last half came too late
    assert comparisons.stop(caller=scene.caller, comparison=stopped, now=scene.now) == stopped


def test_a_withdrawal_ends_it_before_anything_more_is_asked(
    scene: Scene, careful: Prompt, model: Model
) -> None:
    scene.reached("middling")
    begun(scene, careful)
    entitlements.withdraw_permanently(
        caller=scene.cast.as_(scene.cast.seller), prompt=careful, reason="it leaks", now=scene.now
    )
    stopped = worked(scene)
    assert stopped.state == State.INCOMPLETE
    assert "withdrawn" in stopped.reason
    assert model.asked == []


def test_more_pairs_go_on_with_one_that_ran_out_undecided(scene: Scene, careful: Prompt) -> None:
    scene.reached("middling")
    begun(scene, careful, most_pairs=5)
    ended = worked(scene)
    assert (ended.state, ended.decision) == (State.DONE, "open")
    comparisons.resume(caller=scene.caller, comparison=ended, most_pairs=12)
    longer = worked(scene)
    assert (longer.counted, bytes(longer.packed)) == (12, folded_anew(longer))


def test_one_that_is_decided_or_under_way_is_not_made_longer(scene: Scene, careful: Prompt) -> None:
    scene.reached("attentive")
    waiting = begun(scene, careful)
    for comparison in (waiting, worked(scene)):
        comparisons.resume(caller=scene.caller, comparison=comparison, most_pairs=2_000)
        comparison.refresh_from_db()
        assert comparison.most_pairs == 1_000
    assert comparison.state == State.DONE


def test_the_same_key_is_the_same_comparison_and_another_is_refused(
    scene: Scene, careful: Prompt
) -> None:
    scene.reached()
    one = begun(scene, careful, idempotency_key="k")
    assert begun(scene, careful, idempotency_key="k") == one
    with pytest.raises(errors.IdempotencyKeyReused):
        begun(scene, careful, idempotency_key="k", seed=2)


def test_one_errand_of_an_assistant_goes_at_a_time(scene: Scene, careful: Prompt) -> None:
    scene.reached()
    begun(scene, careful)
    scene.started()
    assert leases.acquire(RitualRun, worker_id="a", now=scene.now) is not None
    assert leases.acquire(Comparison, worker_id="b", now=scene.now) is None


@pytest.mark.parametrize(
    "wrong",
    [{"alpha": 0.0}, {"alpha": 0.9}, {"margin": 0.005}, {"margin": 0.034}, {"most_pairs": 0}, {"most_pairs": 10**6}],
)  # fmt: skip
def test_terms_that_mean_nothing_are_refused(
    scene: Scene, careful: Prompt, wrong: dict[str, Any]
) -> None:
    scene.reached()
    with pytest.raises(sequential_test.InvalidComparison):
        begun(scene, careful, **wrong)
    assert not Comparison.objects.exists()


def test_a_prompt_is_not_compared_with_itself(scene: Scene, careful: Prompt) -> None:
    scene.reached()
    with pytest.raises(sequential_test.InvalidComparison, match="itself"):
        begun(scene, careful, second=careful)
    row = begun(scene, careful)
    row.second = careful
    with pytest.raises(IntegrityError), transaction.atomic():
        row.save()


def test_it_takes_an_operator_and_prompts_that_his_team_may_use(
    scene: Scene, careful: Prompt
) -> None:
    scene.reached()
    for who in (scene.cast.seller, scene.cast.stranger, scene.cast.auditor):
        with pytest.raises(errors.Forbidden):
            begun(scene, careful, caller=scene.cast.as_(who))
    hidden = scene.cast.written("acme/hidden", "Only ours: {ticket}", is_open=False)
    with pytest.raises(errors.Forbidden):
        begun(scene, hidden)
    unfit = scene.prompt_of("Say {something} else.", line="acme/unfit")
    with pytest.raises(runs.InvalidRun, match="open"):
        begun(scene, unfit)


def test_others_do_not_see_it(scene: Scene, careful: Prompt) -> None:
    scene.reached()
    comparison = begun(scene, careful)
    assert comparisons.get_comparison(caller=scene.caller, pk=comparison.pk) == comparison
    for who in (scene.cast.seller, scene.cast.auditor):
        caller = scene.cast.as_(who)
        assert not comparisons.visible_to(caller=caller).exists()
        with pytest.raises(errors.NotFound):
            comparisons.get_comparison(caller=caller, pk=comparison.pk)
