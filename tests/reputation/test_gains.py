"""What an edit gained or cost, for each assistant and over all, from outcomes of real imports."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from mintmark.cli import actor
from mintmark.integrations import multiprompt, multiprompt_reader
from mintmark.projection import projector
from mintmark.registry import prompts
from mintmark.registry.models import Assistant, Prompt
from mintmark.reputation import edit_effects
from mintmark.trust.tracker import AssistantTrustTracker
from tests.integrations import corpus

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.fixture
def child(tmp_path: Path) -> Prompt:
    """A paraphrase that costs one of the corpus's two models dearly and leaves the other as it was."""
    task = corpus.task()
    shares = {"2": (0.80, 0.60), "10": (0.55, 0.60)}
    for id, (small, large) in shares.items():
        task["paraphrases"][id]["accs"] = {"small-1b": small, "large-70b": large}
    corpus.write(tmp_path, "sorting.json", task)
    multiprompt.load(
        corpus=multiprompt_reader.load_corpus(folder=tmp_path),
        source=str(tmp_path),
        caller=actor.get_caller(),
        now=NOW,
    )
    projector.project_pending(now=NOW)
    return prompts.resolve(reference="bbh/sorting-010@1")


def test_each_assistant_has_its_own_gain_with_its_interval(child: Prompt) -> None:
    told = edit_effects.compare_edit(child=child, own_team=child.team_id)
    assert [one.assistant.name for one in told.assistants] == list(corpus.MODELS)
    small, large = (one.gain for one in told.assistants)
    assert small.value == pytest.approx(-0.25)
    assert -0.37 < small.low < -0.25 < small.high < -0.12
    assert (large.value, large.runs) == (0.0, 50.0)
    assert large.low == pytest.approx(-large.high)


def test_what_a_team_reports_of_an_edit_is_in_its_own_view_alone(child: Prompt) -> None:
    for own_team in (None, child.team_id + 1):
        gains = edit_effects.compare_edit(child=child, own_team=own_team)
        assert (gains.overall, gains.assistants) == (None, ())


def test_the_gain_over_all_is_the_mean_and_as_wide_as_assistants_differ(child: Prompt) -> None:
    ((found, gain),) = edit_effects.compare_with_parents([child], own_team=child.team_id)
    assert found == child
    assert gain is not None
    assert gain.value == pytest.approx(-0.125)
    # One lost 25 points and one nothing: two such cannot say that a third would lose.
    assert gain.low < -0.25 and gain.high > 0.0
    assert gain.runs == 100.0
    assert edit_effects.compare_edit(child=child, own_team=child.team_id).overall == gain


def test_what_has_no_parent_has_no_gain(child: Prompt) -> None:
    assert child.parent is not None
    told = edit_effects.compare_edit(child=child.parent)
    assert (told.parent, told.overall, told.assistants) == (None, None, ())
    assert edit_effects.compare_with_parents([child.parent]) == [(child.parent, None)]


@pytest.mark.parametrize(
    ("reference", "kept"), [("bbh/sorting-002@1", True), ("bbh/sorting-010@1", False)]
)
def test_a_persons_verdict_shows_as_compliance_for_every_assistant(
    child: Prompt, reference: str, kept: bool
) -> None:
    for name in corpus.MODELS:
        row = (
            AssistantTrustTracker()
            .explain(
                assistant=Assistant.objects.get(name=name),
                prompt=prompts.resolve(reference=reference),
                now=NOW,
            )
            .row
        )
        assert row.compliance.value == pytest.approx(2.0 / 3.0 if kept else 1.0 / 3.0)
        assert row.compliance.low < row.compliance.value < row.compliance.high
        assert row.compliance.runs > 0.0
