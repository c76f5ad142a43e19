"""The demo's runs: rehearsed once, and labelled as what they are."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mintmark.accounts.models import Role, Team
from mintmark.cli import actor
from mintmark.demo import fleet, loading, runs
from mintmark.evidence.models import Event
from mintmark.rituals.models import RitualRun
from tests.factories.cast import person

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.mark.django_db
def test_runs_are_rehearsed_once_and_say_what_they_are(settings: Any) -> None:
    settings.IS_DEMO = True
    loading.load_fleet(fleet=fleet.read_fleet(), console=actor.get_caller(), now=NOW)
    team = Team.objects.get(name="support")
    visitor = person("demo", Role.OPERATOR, Role.AUTHOR, team=team)
    assert runs.play_rehearsals(visitor=visitor, now=NOW) == len(runs.PLANNED_RUNS)
    states = RitualRun.objects.order_by("key").values_list("state", flat=True)
    assert list(states) == ["done", "done", "done", "incomplete"]
    assert "leaves no room" in RitualRun.objects.get(key="demo:4").reason
    events = Event.objects.filter(key__startswith="ritual-run:")
    assert events.filter(ritual__name="desk-tickets").exists()
    assert all("a rehearsal, no language model" in event.note for event in events)
    assert set(RitualRun.objects.values_list("runner_kind", flat=True)) == {"rehearsal"}
    counted = events.count()
    assert runs.play_rehearsals(visitor=visitor, now=NOW + timedelta(days=1)) == 0
    assert events.count() == counted
