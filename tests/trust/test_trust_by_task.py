"""Trust is told for the task that is named: what a pair did on one task is not told for another, and opens no gate."""

from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from mintmark.accounts.models import Role
from mintmark.deployments import gates, ranking
from mintmark.deployments.models import Mandate
from mintmark.projection import projector, replay
from mintmark.projection.pair_models import (
    AssistantPromptTaskTrust,
    AssistantPromptTrustMap,
    ProjectionCheckpoint,
)
from mintmark.projection.prompt_models import Policy
from mintmark.registry import prompts, rituals
from mintmark.registry.models import Prompt, Ritual
from mintmark.scoring.pair_priors import PairPolicy
from mintmark.trust.results import TrustMatrixRow
from mintmark.trust.tracker import AssistantTrustTracker
from tests.factories.cast import NOW, Cast, measured, person

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast(built_cast: Cast) -> Cast:
    return built_cast


@pytest.fixture
def desk(cast: Cast) -> Ritual:
    """A task that has nothing to do with the prompt's home."""
    return rituals.register(name="desk-tickets", tag="task:desk")


def _told(cast: Cast, ritual: Ritual | None = None, own_team: int | None = None) -> TrustMatrixRow:
    tracker = AssistantTrustTracker(own_team=own_team)
    return tracker.explain(assistant=cast.scout, prompt=cast.prompt, ritual=ritual, now=NOW).row


def _trust_gate(cast: Cast, *, floor: float) -> gates.Gate:
    Mandate.objects.update_or_create(
        assistant=cast.scout,
        defaults={"trust_floor": floor, "set_by": cast.scout.principal, "set_at": NOW},
    )
    found = gates.list_gates(prompt=cast.prompt, assistant=cast.scout, now=NOW)
    return next(gate for gate in found if gate.name == gates.TRUST)


def _ranked(cast: Cast) -> list[Prompt]:
    rows = ranking.rank_for_task(
        assistant=cast.scout, tasks=[cast.triage], now=NOW, order="trust_low", limit=20,
        usable=prompts.usable_by(caller=cast.as_(cast.buyer), team_id=cast.buyers.pk),
    ).rows  # fmt: skip
    return [row.prompt for row in rows]


@pytest.mark.both("rows of tasks are joined and written differently there")
def test_what_was_measured_on_another_task_does_not_move_what_is_told(
    cast: Cast, desk: Ritual
) -> None:
    for _ in range(5):
        cast.record(cast.outcome(score=1.0, runs=40))
    home = _told(cast)
    for _ in range(3):
        cast.record(cast.outcome(score=0.1, runs=20, ritual=desk.pk))
    after, there = _told(cast), _told(cast, desk)
    assert after.trust == home.trust
    assert (after.ritual, there.ritual) == (cast.triage, desk)
    assert (after.trust.runs, there.trust.runs, after.runs) == (200.0, 60.0, 260.0)
    assert there.trust.value < 0.3 < 0.9 < after.trust.value
    assert [(other.ritual, other.trust) for other in after.other_tasks] == [(desk, there.trust)]
    assert [(other.ritual, other.trust) for other in there.other_tasks] == [
        (cast.triage, home.trust)
    ]

    # A failure on the home task lowers what is told there, by what one run can, and does not touch the other.
    cast.record(cast.outcome(score=0.0, runs=1))
    assert 0.8 < _told(cast).trust.value < home.trust.value
    assert _told(cast, desk).trust == there.trust


@pytest.mark.both("a gate reads the rows of tasks, joined and written differently there")
def test_runs_on_another_task_open_no_gate(cast: Cast, desk: Ritual) -> None:
    for _ in range(6):
        cast.record(cast.outcome(score=0.05, runs=20))
    assert not _trust_gate(cast, floor=0.2).is_open
    for _ in range(3):
        cast.record(cast.outcome(score=1.0, runs=40, ritual=desk.pk))
    gate = _trust_gate(cast, floor=0.2)
    assert not gate.is_open
    assert "on triage-cases@1, from decisive runs alone, is 0.0" in gate.message
    assert _ranked(cast) == []
    # Nor does a run at home that is as bad as those before it.
    low = _told(cast).trust
    cast.record(cast.outcome(score=0.05, runs=20))
    assert _told(cast).trust.value < low.value + 0.01
    assert not _trust_gate(cast, floor=0.2).is_open


def test_a_pair_measured_on_another_task_alone_is_predicted_and_held_to_an_untried_ones_bound(
    cast: Cast, desk: Ritual
) -> None:
    measured(cast, cast.prompt, [0.6] * 3)
    other = cast.assistant("other", team=cast.buyers)
    for _ in range(3):
        cast.record(cast.outcome(score=1.0, runs=40, ritual=desk.pk, assistant=other.pk))
    row = AssistantTrustTracker().explain(assistant=other, prompt=cast.prompt, now=NOW).row
    there = AssistantTrustTracker().explain(
        assistant=other, prompt=cast.prompt, ritual=desk, now=NOW
    ).row  # fmt: skip
    # Predicted for the home task: neither the number of the other task nor its runs.
    assert (row.ritual, row.trust.runs, there.trust.runs) == (cast.triage, 0.0, 120.0)
    assert row.trust.value < there.trust.value
    assert (row.trust.high - row.trust.low) > (there.trust.high - there.trust.low)
    assert row.resonance.own_record != there.resonance.own_record
    assert row.bound < row.trust.low - 0.1
    Mandate.objects.create(
        assistant=other, trust_floor=row.trust.low - 0.05, set_by=other.principal, set_at=NOW
    )
    gate = gates.list_gates(prompt=cast.prompt, assistant=other, now=NOW)[-1]
    assert (gate.name, gate.is_open) == (gates.TRUST, False)
    assert "predicted from decisive runs alone, none of them there" in gate.message
    assert [other_task.ritual for other_task in row.other_tasks] == [desk]


def test_a_pair_on_one_task_is_told_as_the_model_has_it(cast: Cast, desk: Ritual) -> None:
    measured(cast, cast.prompt, [0.9, 0.7, 0.8])
    row, stored = _told(cast), AssistantPromptTaskTrust.objects.get()
    assert (stored.assistant, stored.prompt, stored.ritual) == (
        cast.scout, cast.prompt, cast.triage,
    )  # fmt: skip
    assert (row.trust.value, row.trust.low, row.trust.high) == (
        stored.trust, stored.trust_low, stored.trust_high,
    )  # fmt: skip
    assert row.bound == row.trust.low
    assert row.other_tasks == ()
    assert AssistantPromptTrustMap.objects.get().resonance_score == stored.resonance


def test_every_version_of_a_ritual_is_one_task(cast: Cast) -> None:
    newer = rituals.register(name="triage-cases", tag="task:triage", definition={"cases": []})
    cast.record(cast.outcome(score=0.9))
    cast.record(cast.outcome(score=0.8, ritual=newer.pk))
    assert AssistantPromptTaskTrust.objects.get().runs == 20.0
    assert _told(cast).trust == _told(cast, newer).trust
    assert _told(cast, newer).ritual == newer


@pytest.mark.both("what a team reported is joined and written differently there")
def test_a_teams_own_view_is_by_task_too(cast: Cast, desk: Ritual) -> None:
    novice = person("novice", Role.OPERATOR, team=cast.buyers)
    for score, ritual in ((0.9, cast.triage), (0.1, desk), (0.9, cast.triage)):
        cast.record(cast.outcome(score=score, runs=40, ritual=ritual.pk), by=novice)
    own_home, own_there = (_told(cast, task, cast.buyers.pk) for task in (None, desk))
    assert own_home.trust.value > 0.7 > 0.3 > own_there.trust.value
    assert (own_home.trust.runs, own_there.trust.runs) == (80.0, 40.0)
    assert [(one.ritual, one.trust) for one in own_home.other_tasks] == [(desk, own_there.trust)]
    public = _told(cast)
    assert (public.trust.runs, public.other_tasks) == (0.0, ())
    row = AssistantPromptTaskTrust.objects.get(ritual=desk)
    assert (row.trust, row.logit, row.proven_runs) == (None, None, 0.0)


@pytest.mark.both("the log and its rows are read differently there")
def test_a_replay_gives_the_rows_of_tasks_to_the_last_bit(
    emptied_past_the_triggers: None, transactional_db: None
) -> None:
    # A transaction of its own is what a replay compares in.
    cast, desk = Cast(), rituals.register(name="desk-tickets", tag="task:desk")
    novice = person("novice", Role.OPERATOR, team=cast.buyers)
    other = cast.written("acme/other", "Sort {ticket} some other way.")
    for n in range(12):
        cast.record(
            cast.outcome(score=n / 11, runs=1 + n, ritual=(desk if n % 3 else cast.triage).pk),
            cast.outcome(score=1.0 - n / 11, prompt=other.pk),
            cast.claim("clause", score=0.5),
        )
        cast.record(cast.outcome(score=0.3, ritual=(cast.triage if n % 2 else desk).pk), by=novice)
    kept = list(AssistantPromptTaskTrust.objects.order_by("prompt", "ritual").values_list())
    assert len(kept) == 3
    compared = replay.check()
    assert compared.is_equal
    assert compared.compared["trust_assistantprompttasktrust"] == 3
    replay.rebuild(policy=projector.get_checkpoint().policy, now=NOW)
    again = AssistantPromptTaskTrust.objects.order_by("prompt", "ritual").values_list()
    assert [row[1:] for row in again] == [row[1:] for row in kept]
    assert replay.check().is_equal

    AssistantPromptTaskTrust.objects.filter(ritual=desk).update(trust=0.99)
    found = replay.check()
    assert [difference[0] for difference in found.differences] == ["trust_assistantprompttasktrust"]


def test_a_store_of_an_older_formula_gets_its_rows_of_tasks(cast: Cast, desk: Ritual) -> None:
    measured(cast, cast.prompt, [0.9, 0.8])
    measured(cast, cast.prompt, [0.1], desk)
    kept = list(AssistantPromptTaskTrust.objects.order_by("ritual").values_list("trust", "logit"))
    policy = projector.get_checkpoint().policy
    pairs = PairPolicy.from_json(policy.pairs)
    older = Policy.objects.create(
        pairs=replace(pairs, formula=1).to_json(), reputation=policy.reputation, created_at=NOW
    )
    AssistantPromptTaskTrust.objects.all().delete()
    ProjectionCheckpoint.objects.update(policy=older)
    upgraded = replay.upgrade_formula(now=NOW)
    assert upgraded is not None
    assert upgraded[1].pairs == policy.pairs
    assert kept == list(
        AssistantPromptTaskTrust.objects.order_by("ritual").values_list("trust", "logit")
    )
    assert replay.upgrade_formula(now=NOW) is None


def test_more_tasks_ask_no_more_of_the_database(cast: Cast, desk: Ritual) -> None:
    def count() -> list[int]:
        counts = []
        for read in (
            lambda: _told(cast),
            lambda: AssistantTrustTracker().get_matrix(assistant=cast.scout, now=NOW),
            lambda: _ranked(cast),
        ):
            with CaptureQueriesContext(connection) as asked:
                read()
            counts.append(len(asked))
        return counts

    measured(cast, cast.prompt, [0.9])
    before: Any = count()
    measured(cast, cast.prompt, [0.1], desk)
    assert count() == before
