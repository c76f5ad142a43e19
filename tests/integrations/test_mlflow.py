"""A real MLflow registry on SQLite comes in: prompts, aliases and feedback; what can't be used is named."""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mintmark.accounts.callers import Caller
from mintmark.accounts.models import Team
from mintmark.common import errors, score_names
from mintmark.evidence.models import Event
from mintmark.integrations import (
    export_common,
    import_report,
    mlflow_export,
    mlflow_reader,
    registry_import,
)
from mintmark.registry import labels, prompts
from mintmark.registry.models import LabelMove, Prompt
from tests.factories.cast import Cast
from tests.integrations import mlflow_store as real

pytestmark = pytest.mark.django_db

NOW = datetime(2099, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def written(tmp_path_factory: Any) -> Path:
    """A store that MLflow wrote, once for all tests of this file."""
    path: Path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    real.write(path)
    return path


@pytest.fixture
def store(written: Path, tmp_path: Path) -> Path:
    """A copy of it for one test."""
    return Path(shutil.copy(written, tmp_path / "mlflow.db"))


MAPPING = score_names.parse_mapping(
    scores=["graded=0..1", "said=no:0,yes:1", "stars=0..1", "unlinked=0..1"]
)


def _load(store: Path | str, operator: Caller, **options: Any) -> import_report.ImportReport:
    held = mlflow_reader.load_registry(store=str(store), mapping=MAPPING)
    return registry_import.load(
        registry=held, tool=registry_import.MLFLOW, caller=operator, now=NOW, **options
    )


def test_prompts_aliases_and_feedback_come_in(store: Path, operator: Caller) -> None:
    report = _load(store, operator)
    first, second = Prompt.objects.filter(name="greet").order_by("revision")
    assert (first.text, first.variables, first.tags) == ("Hello {{ name }}.", ["name"], ["lang:en"])
    assert (second.parent, second.mutation_note, second.is_open) == (first, "shorter", False)
    assert prompts.resolve(reference="mlflow/greet@production") == first
    chat = prompts.resolve(reference="mlflow/chat@1")
    assert (chat.text, chat.tags) == ("system:\nYou are {{x}}.\nuser:\nHi", ["type:chat"])
    events = {
        (e.ritual.name, e.prompt.revision, e.score, e.assistant.name)
        for e in Event.objects.select_related("ritual", "prompt", "assistant")
        if e.ritual and e.assistant
    }
    assert events == {
        ("mlflow/right (human)", 1, 1.0, "scout"),
        ("mlflow/graded (llm judge)", 2, 0.25, "scout"),
        ("mlflow/said (code)", 1, 1.0, "scout"),
    }
    assert (report.registered, report.labels, report.recorded) == (3, 1, 3)
    assert report.read == {
        "prompts": 2,
        "versions": 3,
        "traces": 5,
        "feedback": report.read["feedback"],
    }
    left_out = sum(report.left_out.values())
    refused = sum(row["field"] in ("value", "prompt", "error") for row in report.refused)
    assert report.read["feedback"] == report.recorded + left_out + refused


def test_what_cannot_be_used_is_named_with_its_place(store: Path, operator: Caller) -> None:
    refused = {
        (row["file"].split(", ")[-1], row["field"]): row for row in _load(store, operator).refused
    }
    assert set(refused) == {
        ("prompts:/blocks/1", "template"),
        ("label Loud", "label"),
        ("stars", "value"),
        ("unlinked", "prompt"),
    }
    assert "line 2: {% endif %}" in refused["prompts:/blocks/1", "template"]["message"]
    assert refused["stars", "value"]["value"] == "4"


def test_a_second_run_changes_nothing_and_a_dry_run_neither(store: Path, operator: Caller) -> None:
    tried = _load(store, operator, dry_run=True)
    assert (tried.registered, tried.recorded) == (3, 3)
    assert not Prompt.objects.exists()
    _load(store, operator)
    again = _load(store, operator)
    assert not again.has_changes
    assert (again.unchanged, again.repeated) == (3, 3)


def test_an_alias_that_moved_moves_its_label(store: Path, operator: Caller) -> None:
    _load(store, operator)
    client, _ = mlflow_reader.open_client(store=str(store))
    client.set_prompt_alias("greet", "production", 2)
    assert _load(store, operator).labels == 1
    assert prompts.resolve(reference="mlflow/greet@production").revision == 2
    assert LabelMove.objects.count() == 2


def test_feedback_that_changed_is_refused_and_the_record_stays(
    store: Path, operator: Caller
) -> None:
    _load(store, operator)
    import sqlite3

    with sqlite3.connect(store) as connection:
        connection.execute("UPDATE assessments SET value = 'false' WHERE name = 'right'")
    report = _load(store, operator)
    assert "evidence never changes" in str(report.refused)
    assert Event.objects.get(ritual__name="mlflow/right (human)").score == 1.0


def test_two_registries_under_one_namespace_are_refused(store: Path, operator: Caller) -> None:
    _load(store, operator)
    with pytest.raises(errors.DomainError) as refused:
        _load(store, operator, team="others")
    assert refused.value.code == "name_taken"


def test_what_is_no_store_is_refused_and_nothing_is_made_in_its_place(
    tmp_path: Path, operator: Caller
) -> None:
    (tmp_path / "text.db").write_text("no database")
    for name, why in (("none.db", "No such file"), ("text.db", "not an SQLite database")):
        with pytest.raises(import_report.UnreadableSource, match=why):
            mlflow_reader.load_registry(store=str(tmp_path / name))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["text.db"]


def test_an_experiment_that_is_not_there_is_refused(store: Path) -> None:
    with pytest.raises(import_report.UnreadableSource, match="no experiment 'none'"):
        mlflow_reader.load_registry(store=str(store), experiments=["none"])


def test_a_password_in_an_address_is_never_said() -> None:
    with pytest.raises(import_report.UnreadableSource) as refused:
        mlflow_reader.load_registry(store="nothing://ann:secret@nowhere/mlflow")
    assert "secret" not in str(refused.value)
    assert "secret" not in str(refused.value.rows)


def test_prompts_labels_and_outcomes_go_out_and_come_in_again(
    tmp_path: Path, operator: Caller
) -> None:
    cast = Cast()
    chat = cast.written("acme/talk", "system:\nBe {tone}.\nuser:\nHi", tags=["type:chat"])
    labels.move(
        namespace="acme", name="talk", label="production", prompt=chat, actor=operator.principal,
        reason="", now=NOW,
    )  # fmt: skip
    cast.record(cast.outcome(prompt=chat.pk, score=0.75, runs=4))
    path = tmp_path / "out.db"
    sent = mlflow_export.export_namespace(store=str(path), namespace="acme", team=cast.sellers)
    assert (sent.aliases, sent.feedback, sent.refused) == (1, 1, [])
    client, _ = mlflow_reader.open_client(store=str(path))
    version = client.get_prompt_version_by_alias("acme.talk", "production")
    assert version.template == [
        {"role": "system", "content": "Be {{tone}}."},
        {"role": "user", "content": "Hi"},
    ]
    again = mlflow_export.export_namespace(store=str(path), namespace="acme", team=cast.sellers)
    assert (again.versions, again.unchanged) == (0, sent.versions)
    assert (again.aliases, again.feedback, again.repeated) == (0, 0, 1)
    report = _load(path, operator, team=cast.buyers.name)
    assert (report.registered, report.recorded, report.refused) == (sent.versions, 0, [])
    assert report.repeated == 1, "what was sent from this log is in it"
    back = prompts.resolve(reference="mlflow/acme.talk@production")
    assert back.text == "system:\nBe {{tone}}.\nuser:\nHi"
    assert not Event.objects.filter(prompt=back).exists()
    where = client.get_experiment_by_name("mintmark").artifact_location
    assert where == (tmp_path / "mlruns/mintmark").as_uri(), "beside the store"
    (feedback,) = mlflow_reader.load_registry(store=str(path)).feedback
    assert (feedback.score, feedback.assistant) == (0.75, "scout")


def test_versions_that_came_from_mlflow_are_recognised_and_their_feedback_stays_there(
    store: Path, operator: Caller
) -> None:
    cast = Cast()
    _load(store, operator, team=cast.buyers.name)
    first = prompts.resolve(reference="mlflow/greet@1")
    cast.record(cast.outcome(prompt=first.pk, score=0.9), now=NOW)
    sent = mlflow_export.export_namespace(store=str(store), namespace="mlflow", team=cast.buyers)
    assert (sent.versions, sent.unchanged, sent.feedback, sent.refused) == (0, 3, 1, [])
    back = _load(store, operator, team=cast.buyers.name)
    assert (back.has_changes, back.repeated) == (False, 4)


def test_a_dry_run_of_an_export_makes_no_store_and_writes_to_none(
    tmp_path: Path, operator: Caller
) -> None:
    cast = Cast()
    cast.record(cast.outcome(score=0.75))
    path = tmp_path / "out.db"
    options: Any = {"store": str(path), "namespace": "acme", "team": cast.sellers}
    tried = mlflow_export.export_namespace(**options, dry_run=True)
    assert not path.exists()
    assert mlflow_export.export_namespace(**options).as_json() == tried.as_json() | {
        "dry_run": False
    }
    cast.written("acme/triage", "Sort {ticket}.", parent=cast.prompt)
    cast.record(cast.outcome(score=0.5))
    again = mlflow_export.export_namespace(**options, dry_run=True)
    assert (again.versions, again.unchanged, again.feedback, again.repeated) == (1, 1, 1, 1)
    done = mlflow_export.export_namespace(**options)
    assert done.as_json() == again.as_json() | {"dry_run": False}


def test_what_the_team_may_not_use_is_refused_and_does_not_leave(
    tmp_path: Path, operator: Caller
) -> None:
    cast = Cast()
    kept = cast.written("acme/recipe", "Mix {this} in secret.", is_open=False)
    cast.record(cast.outcome(prompt=kept.pk, score=0.75))
    path = tmp_path / "out.db"
    sent = mlflow_export.export_namespace(store=str(path), namespace="acme", team=cast.buyers)
    assert (sent.versions, sent.feedback) == (1, 0)
    (row,) = sent.refused
    assert (row["file"], row["field"], row["message"]) == (
        kept.reference, "text", export_common.NOT_EXPORTABLE_REASON,
    )  # fmt: skip
    assert b"in secret" not in path.read_bytes()
    ours = mlflow_export.export_namespace(store=str(path), namespace="acme", team=cast.sellers)
    assert (ours.versions, ours.unchanged, ours.feedback, ours.refused) == (1, 1, 1, [])
    assert b"in secret" in path.read_bytes()


def test_a_namespace_without_prompts_is_refused_before_a_store_is_made(
    tmp_path: Path, db: None
) -> None:
    team = Team.objects.create(name="makers")
    with pytest.raises(export_common.NothingToExport, match="'none'"):
        mlflow_export.export_namespace(store=str(tmp_path / "out.db"), namespace="none", team=team)
    assert not list(tmp_path.iterdir())


def test_feedback_of_unknown_meaning_is_no_evidence_and_is_counted_by_name(
    store: Path, operator: Caller
) -> None:
    registry = mlflow_reader.load_registry(store=str(store))
    report = registry_import.load(
        registry=registry, tool=registry_import.MLFLOW, caller=operator, now=NOW
    )
    assert set(report.unmapped) == {"graded", "said", "stars", "unlinked"}
    assert {row["field"] for row in report.refused if row["value"] in report.unmapped} == {"name"}
    assert report.recorded == 1


def test_aliases_and_versions_that_were_deleted_there_leave_or_are_named(
    store: Path, operator: Caller
) -> None:
    _load(store, operator)
    client, _ = mlflow_reader.open_client(store=str(store))
    client.delete_prompt_alias("greet", "production")
    client.delete_prompt_version("chat", "1")
    report = _load(store, operator)
    assert [(row["file"], row["field"]) for row in report.gone] == [
        ("mlflow/greet@1, label production", "label"),
        ("mlflow/chat@1", "version"),
    ]
    assert report.labels == 1
    with pytest.raises(errors.DomainError):
        prompts.resolve(reference="mlflow/greet@production")


def test_feedback_that_was_deleted_there_is_named(store: Path, operator: Caller) -> None:
    import mlflow

    _load(store, operator)
    client, address = mlflow_reader.open_client(store=str(store))
    mlflow.set_tracking_uri(address)
    event = Event.objects.get(ritual__name__startswith="mlflow/graded")
    assessment = event.key.split(":")[1]
    experiment = client.get_experiment_by_name("support").experiment_id
    for trace in client.search_traces(locations=[experiment], include_spans=False):
        if any(one.assessment_id == assessment for one in trace.info.assessments):
            mlflow.delete_assessment(trace_id=trace.info.trace_id, assessment_id=assessment)
    report = _load(store, operator)
    assert [(row["field"], row["value"]) for row in report.gone] == [("score", event.score)]
    assert not report.has_changes


def test_a_response_format_that_has_no_place_here_is_named(store: Path, operator: Caller) -> None:
    client, _ = mlflow_reader.open_client(store=str(store))
    schema = {"type": "object", "properties": {"answer": {"type": "string"}}}
    client.register_prompt("shaped", "Answer {{q}}.", response_format=schema)
    assert "Not kept of shaped: response_format." in _load(store, operator).notes
