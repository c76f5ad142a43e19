"""The corpus becomes prompts with lineage, assistants, rituals and evidence; once."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mintmark.accounts.callers import Caller
from mintmark.common.errors import IdempotencyKeyReused
from mintmark.common.evidence_kinds import EvidenceKind
from mintmark.evidence.models import Batch, Event
from mintmark.integrations import import_report, multiprompt, multiprompt_reader
from mintmark.projection import projector
from mintmark.projection.prompt_models import CurrentPromptScore
from mintmark.registry import assistants, prompts
from mintmark.registry.models import Assistant, CodexContract, Prompt, Ritual
from tests.installations import installation
from tests.integrations import corpus

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


def _load(
    folder: Path, operator: Caller, *, now: datetime = NOW, **options: Any
) -> import_report.ImportReport:
    report = multiprompt.load(
        corpus=multiprompt_reader.load_corpus(folder=folder),
        source=str(folder),
        caller=operator,
        now=now,
        **options,
    )
    projector.project_pending(now=now)
    return report


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    corpus.write(tmp_path, "sorting.json", corpus.task())
    return tmp_path


def test_each_paraphrase_is_a_line_forked_from_its_original(folder: Path, operator: Caller) -> None:
    _load(folder, operator)
    forked = prompts.resolve(reference="bbh/sorting-010@1")
    assert forked.parent == prompts.resolve(reference="bbh/sorting-002@1")
    assert (forked.derivation, forked.mutation_note) == ("fork", "cot")
    assert forked.tags == ["task:sorting", "method:cot"]
    assert (forked.licence, forked.is_open) == ("CDLA-Permissive-2.0", True)
    assert prompts.resolve(reference="bbh/sorting-001").parent is None


def test_models_are_assistants_tasks_are_rituals_and_shares_are_outcomes(
    folder: Path, operator: Caller
) -> None:
    report = _load(folder, operator)
    assert (report.registered, report.recorded) == (3, 9)
    assert set(Assistant.objects.values_list("name", "team__name")) == {
        ("small-1b", "corpus"),
        ("large-70b", "corpus"),
    }
    outcomes = Event.objects.filter(kind=EvidenceKind.OUTCOME)
    assert outcomes.count() == 6
    assert set(outcomes.values_list("runs", "score")) == {(100, 0.5)}
    assert {event.ritual for event in outcomes} == {Ritual.objects.get(tag="task:sorting")}
    assert CurrentPromptScore.objects.count() == 3


def test_the_human_verdict_is_a_clause_check_without_assistant(
    folder: Path, operator: Caller
) -> None:
    _load(folder, operator)
    verdicts = Event.objects.filter(kind=EvidenceKind.CLAUSE).order_by("id")
    assert [event.score for event in verdicts] == [1.0, 1.0, 0.0]
    assert {event.assistant for event in verdicts} == {None}
    assert CodexContract.objects.filter(codex__name="keeps the meaning").count() == 3


def test_a_second_run_changes_nothing_and_says_so(folder: Path, operator: Caller) -> None:
    _load(folder, operator)
    before = (Event.objects.count(), Batch.objects.count(), Prompt.objects.count())
    again = _load(folder, operator, now=NOW + timedelta(days=400))
    assert not again.has_changes
    assert (again.unchanged, again.repeated) == (3, 9)
    assert (Event.objects.count(), Batch.objects.count(), Prompt.objects.count()) == before


def test_a_dry_run_says_what_a_run_would_and_stores_nothing(folder: Path, operator: Caller) -> None:
    tried = _load(folder, operator, dry_run=True)
    assert Prompt.objects.count() == Event.objects.count() == Assistant.objects.count() == 0
    done = _load(folder, operator)
    assert (tried.registered, tried.recorded) == (done.registered, done.recorded) == (3, 9)


def test_evidence_is_dated_by_the_first_import_or_as_told(folder: Path, operator: Caller) -> None:
    told = datetime(2024, 1, 1, tzinfo=UTC)
    _load(folder, operator, measured_at=told)
    _load(folder, operator)
    assert set(Event.objects.values_list("occurred_at", flat=True)) == {told}


def test_a_task_added_later_joins_those_that_are_there(folder: Path, operator: Caller) -> None:
    _load(folder, operator)
    corpus.write(folder, "turning.json", corpus.task())
    more = _load(folder, operator)
    assert (more.registered, more.unchanged, more.recorded, more.repeated) == (3, 3, 9, 9)


def test_a_share_that_changed_is_refused_for_the_log_is_append_only(
    folder: Path, operator: Caller
) -> None:
    _load(folder, operator)
    changed = corpus.task()
    changed["paraphrases"]["10"]["accs"]["small-1b"] = 0.9
    corpus.write(folder, "sorting.json", changed)
    with pytest.raises(IdempotencyKeyReused):
        _load(folder, operator)
    assert set(Event.objects.filter(kind=EvidenceKind.OUTCOME).values_list("score", flat=True)) == {
        0.5
    }


def test_a_template_that_changed_is_refused_for_a_text_never_does(
    folder: Path, operator: Caller
) -> None:
    _load(folder, operator)
    changed = corpus.task()
    changed["paraphrases"]["10"]["template"] += "!"
    corpus.write(folder, "sorting.json", changed)
    with pytest.raises(prompts.RevisionTaken):
        _load(folder, operator)


def test_names_of_another_team_are_not_taken(folder: Path, operator: Caller) -> None:
    from mintmark.accounts.models import Team

    other = Team.objects.create(name="other")
    assistants.register(name="small-1b", owner=operator.principal, team=other)
    with pytest.raises(multiprompt.TakenByAnotherTeam, match="small-1b"):
        _load(folder, operator)
    assert not Prompt.objects.exists()


def test_one_text_twice_keeps_two_lines_and_is_noted(folder: Path, operator: Caller) -> None:
    doubled = corpus.task()
    doubled["paraphrases"]["11"] = doubled["paraphrases"]["10"]
    corpus.write(folder, "sorting.json", doubled)
    report = _load(folder, operator)
    twins = Prompt.objects.filter(name__in=["sorting-010", "sorting-011"])
    assert report.registered == 4
    assert len(set(twins.values_list("digest", flat=True))) == 1
    assert any("repeat" in note for note in report.notes)


@pytest.mark.data
def test_the_real_corpus_comes_in_whole_and_once(real_data: Path) -> None:
    folder = str(real_data / "multiprompt")
    with installation() as made:
        first = json.loads(made.run("mintmark.cli", "import", "multiprompt", folder, "--json"))
        assert first["prompts"] == {"registered": 3389, "unchanged": 0}
        assert first["events"] == {"recorded": 44_574 + 3389, "repeated": 0}
        again = json.loads(made.run("mintmark.cli", "import", "multiprompt", folder, "--json"))
        assert again["changed"] is False
        assert again["events"] == {"recorded": 0, "repeated": 47_963}
        check = json.loads(made.run("mintmark.cli", "replay", "--check", "--json"))
        assert (check["equal"], check["events"]) == (True, 47_963)
