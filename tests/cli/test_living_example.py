"""The demo's fleet: the same every time, plainly simulated, with something true on every page."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from mintmark.cli import console
from mintmark.cli.living_example import fleet, loading, simulation
from mintmark.evidence.models import Event
from mintmark.registry.models import Assistant, Label, LabelMove, Prompt
from mintmark.reputation.ledger import PromptReputationLedger
from mintmark.trust import projector

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


def test_one_seed_gives_one_history() -> None:
    described = fleet.read()
    assert simulation.simulate(fleet=described) == simulation.simulate(fleet=described)
    assert simulation.simulate(fleet=described, seed=8) != simulation.simulate(fleet=described)


def test_a_history_has_every_kind_of_evidence_on_every_day() -> None:
    reports = simulation.simulate(fleet=fleet.read())
    kinds = Counter(deed.kind for report in reports for deed in report.deeds)
    assert kinds.keys() == {"outcome", "replay", "approval", "rating", "recall", "clause"}
    assert {int(report.day) for report in reports} == set(range(simulation.DAYS))
    assert [report.day for report in reports] == sorted(report.day for report in reports)


def test_no_assistant_runs_a_text_that_its_team_may_not_use_or_that_is_not_written_yet() -> None:
    described = fleet.read()
    prompts = {prompt.reference: prompt for prompt in described.prompts}
    teams = {assistant.name: assistant.team for assistant in described.assistants}
    for report in simulation.simulate(fleet=described):
        for deed in report.deeds:
            assert prompts[deed.prompt].born <= deed.day
            if deed.assistant is not None:
                assert described.may_use(team=teams[deed.assistant], prompt=prompts[deed.prompt])


@pytest.mark.django_db
def test_the_fleet_is_loaded_once_says_that_it_is_simulated_and_sees_through_the_ring() -> None:
    described = fleet.read()
    operator = console.caller()
    first = loading.load(fleet=described, console=operator, now=NOW)
    assert first.prompts == len(described.prompts)
    assert first.events == Event.objects.count()
    assert Event.objects.earliest("occurred_at").occurred_at > NOW - timedelta(days=91)
    again = loading.load(fleet=described, console=operator, now=NOW + timedelta(days=30))
    assert again == loading.Loaded(prompts=0, events=0, start=first.start)
    assert first.start == NOW - timedelta(days=90)
    for assistant in Assistant.objects.all():
        assert "Simulated" in assistant.description
    assert all("(simulated)" in prompt.title for prompt in Prompt.objects.all())
    production = Label.objects.get(namespace="core", name="triage", label="production")
    assert production.prompt.revision == 2
    assert LabelMove.objects.filter(name="triage").count() == 3
    projector.advance(now=NOW)
    praised = Prompt.objects.get(name="miracle-triage")
    found = PromptReputationLedger().reputation(prompt=praised, now=NOW)
    assert found.rank == found.ranked
    assert found.rating.raw is not None
    assert found.rating.weighted is not None
    assert found.rating.raw - found.rating.weighted > 0.05


@pytest.mark.django_db
def test_a_loading_that_was_cut_short_is_completed() -> None:
    described = fleet.read()
    operator = console.caller()

    class CutShort(Exception):
        pass

    def cut(done: int, total: int) -> None:
        if done == 20:
            raise CutShort

    with pytest.raises(CutShort):
        loading.load(fleet=described, console=operator, now=NOW, progress=cut)
    part = Event.objects.count()
    rest = loading.load(fleet=described, console=operator, now=NOW + timedelta(days=1))
    reports = simulation.simulate(fleet=described)
    assert part + rest.events == sum(len(report.deeds) for report in reports)
