"""The demo's fleet: the same every time, plainly simulated, with something true on every page."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from mintmark.cli import actor
from mintmark.demo import evidence, fleet, loading
from mintmark.evidence.models import Event
from mintmark.projection import projector
from mintmark.registry.models import Assistant, Label, LabelMove, Prompt
from mintmark.reputation.ledger import PromptReputationLedger

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


def test_one_seed_gives_one_history() -> None:
    described = fleet.read_fleet()
    assert evidence.simulate(fleet=described) == evidence.simulate(fleet=described)
    assert evidence.simulate(fleet=described, seed=8) != evidence.simulate(fleet=described)


def test_a_history_has_every_kind_of_evidence_on_every_day() -> None:
    reports = evidence.simulate(fleet=fleet.read_fleet())
    kinds = Counter(deed.kind for report in reports for deed in report.events)
    assert kinds.keys() == {"outcome", "replay", "approval", "rating", "recall", "clause"}
    assert {int(report.day) for report in reports} == set(range(evidence.DAYS))
    assert [report.day for report in reports] == sorted(report.day for report in reports)


def test_no_assistant_runs_a_text_that_its_team_may_not_use_or_that_is_not_written_yet() -> None:
    described = fleet.read_fleet()
    prompts = {prompt.reference: prompt for prompt in described.prompts}
    teams = {assistant.name: assistant.team for assistant in described.assistants}
    for report in evidence.simulate(fleet=described):
        for deed in report.events:
            assert prompts[deed.prompt].born <= deed.day
            if deed.assistant is not None:
                assert described.may_use(team=teams[deed.assistant], prompt=prompts[deed.prompt])


@pytest.mark.django_db
def test_the_fleet_is_loaded_once_says_that_it_is_simulated_and_sees_through_the_ring() -> None:
    described = fleet.read_fleet()
    operator = actor.get_caller()
    first = loading.load_fleet(fleet=described, console=operator, now=NOW)
    assert first.prompts == len(described.prompts)
    assert first.events == Event.objects.count()
    assert Event.objects.earliest("occurred_at").occurred_at > NOW - timedelta(days=91)
    again = loading.load_fleet(fleet=described, console=operator, now=NOW + timedelta(days=30))
    assert again == loading.LoadedFleet(prompts=0, events=0, start=first.start)
    assert first.start == NOW - timedelta(days=90)
    for assistant in Assistant.objects.all():
        assert "Simulated" in assistant.description
    assert all("(simulated)" in prompt.title for prompt in Prompt.objects.all())
    production = Label.objects.get(namespace="core", name="triage", label="production")
    assert production.prompt.revision == 2
    assert LabelMove.objects.filter(name="triage").count() == 3
    projector.project_pending(now=NOW)
    praised = Prompt.objects.get(name="miracle-triage")
    found = PromptReputationLedger().get_reputation(prompt=praised, now=NOW)
    assert found.rank == found.ranked
    assert found.rating.raw is not None
    assert found.rating.weighted is not None
    assert found.rating.raw - found.rating.weighted > 0.05


@pytest.mark.django_db
def test_a_loading_that_was_cut_short_is_completed() -> None:
    described = fleet.read_fleet()
    operator = actor.get_caller()

    class CutShort(Exception):
        pass

    def cut(done: int, total: int) -> None:
        if done == 20:
            raise CutShort

    with pytest.raises(CutShort):
        loading.load_fleet(fleet=described, console=operator, now=NOW, progress=cut)
    part = Event.objects.count()
    rest = loading.load_fleet(fleet=described, console=operator, now=NOW + timedelta(days=1))
    reports = evidence.simulate(fleet=described)
    assert part + rest.events == sum(len(report.events) for report in reports)
