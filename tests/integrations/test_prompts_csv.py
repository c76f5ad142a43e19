"""The list of prompts.chat becomes open prompts; a later copy of it becomes revisions."""

from pathlib import Path
from typing import Any

import pytest

from mintmark.accounts.callers import Caller
from mintmark.integrations import import_report, prompts_chat, prompts_chat_csv
from mintmark.registry import prompts
from mintmark.registry.models import Prompt


def _load(file: Path, operator: Caller, *rows: str, **options: Any) -> import_report.ImportReport:
    if rows:
        file.write_text("\n".join(["act,prompt,for_devs,type", *rows, ""]))
    table = prompts_chat_csv.load_table(file=file)
    return prompts_chat.load(table=table, source=file.name, caller=operator, **options)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "prompts.csv"


def test_a_row_becomes_an_open_prompt(file: Path, operator: Caller) -> None:
    _load(file, operator, "Job Interviewer,Ask about ${Position:Developer},TRUE,TEXT")
    prompt = prompts.resolve(reference="prompts-chat/job-interviewer@1")
    assert prompt.variables == ["Position"]
    assert prompt.tags == ["type:text", "audience:developers"]
    assert (prompt.title, prompt.licence, prompt.is_open) == ("Job Interviewer", "CC0-1.0", True)


def test_a_second_run_changes_nothing(file: Path, operator: Caller) -> None:
    rows = ("A,one,FALSE,TEXT", "B,two,FALSE,TEXT")
    _load(file, operator, *rows)
    again = _load(file, operator, *rows)
    assert not again.has_changes
    assert again.unchanged == 2


def test_two_texts_of_one_title_keep_two_names(file: Path, operator: Caller) -> None:
    report = _load(file, operator, "Test,one,FALSE,TEXT", "test,two,FALSE,TEXT")
    first, second = Prompt.objects.order_by("id")
    assert (first.name, second.name) == ("test", f"test-{second.digest[:6]}")
    assert any(second.name in note for note in report.notes)


def test_a_namesake_put_before_another_renames_nothing(file: Path, operator: Caller) -> None:
    _load(file, operator, "Test,one,FALSE,TEXT")
    report = _load(file, operator, "Test,two,FALSE,TEXT", "Test,one,FALSE,TEXT")
    assert report.unchanged == 1
    assert (
        Prompt.objects.filter(digest=Prompt.objects.get(revision=1, name="test").digest).count()
        == 1
    )


def test_one_title_and_text_twice_is_one_prompt_and_noted(file: Path, operator: Caller) -> None:
    report = _load(file, operator, "A,one,FALSE,TEXT", "A,one,FALSE,TEXT")
    assert report.registered == 1
    assert report.read == {"rows": 2, "repeated_rows": 1}
    assert report.notes == ["Line 3 repeats line 2, title and text: one prompt."]


def test_one_text_under_two_titles_is_two_prompts_of_one_digest(
    file: Path, operator: Caller
) -> None:
    report = _load(file, operator, "A,one,FALSE,TEXT", "B,one,FALSE,TEXT")
    assert report.registered == 2
    assert len(set(Prompt.objects.values_list("digest", flat=True))) == 1
    assert "one digest" in report.notes[0]


def test_a_text_that_changed_is_the_next_revision(file: Path, operator: Caller) -> None:
    _load(file, operator, "A,one,FALSE,TEXT")
    report = _load(file, operator, "A,two,FALSE,TEXT")
    prompt = prompts.resolve(reference="prompts-chat/a")
    assert (report.registered, prompt.revision, prompt.derivation) == (1, 2, "revision")
    assert prompt.parent == prompts.resolve(reference="prompts-chat/a@1")


def test_what_is_no_prompt_is_left_out_and_the_rest_comes_in(file: Path, operator: Caller) -> None:
    report = _load(
        file, operator, f"Huge,{'x' * 10**6},FALSE,TEXT", "Blank,   ,FALSE,TEXT", "A,one,FALSE,TEXT"
    )
    assert [(row["row"], row["line"], row["field"]) for row in report.refused] == [
        (0, 2, "prompt"),
        (1, 3, "prompt"),
    ]
    assert [prompt.name for prompt in Prompt.objects.all()] == ["a"]


def test_strict_stores_nothing_if_a_row_is_refused(file: Path, operator: Caller) -> None:
    with pytest.raises(import_report.UnreadableSource) as refused:
        _load(file, operator, "A,one,FALSE,TEXT", "B,   ,FALSE,TEXT", strict=True)
    assert len(refused.value.rows) == 1
    assert not Prompt.objects.exists()


def test_a_dry_run_stores_nothing(file: Path, operator: Caller) -> None:
    report = _load(file, operator, "A,one,FALSE,TEXT", dry_run=True)
    assert report.registered == 1
    assert not Prompt.objects.exists()


def test_the_codex_that_binds_everybody_remarks_on_what_came_in_and_refuses_nothing(
    file: Path, operator: Caller
) -> None:
    token = "ghp_" + "a1B2" * 9
    report = _load(
        file, operator, f"Leak,Log in with {token} now,FALSE,TEXT", "Ask,Ask {name},FALSE,TEXT", "A,one,FALSE,TEXT"
    )  # fmt: skip
    assert report.registered == 3
    assert report.clauses is not None
    assert (report.clauses.codex, report.clauses.checked) == ("default@1", 3)
    leak, ask = report.clauses.remarks
    assert (leak.line, leak.prompt, leak.clause) == (2, "prompts-chat/leak@1", "no-secrets")
    assert leak.excerpt == "Log in with [a GitHub token] now"
    assert (ask.line, ask.clause, ask.severity) == (3, "no-unfilled-variables", "warn")
    assert token not in str(report.as_json())
    again = _load(file, operator)
    assert again.clauses is not None
    assert (again.clauses.checked, again.clauses.remarks) == (0, [])


@pytest.mark.data
def test_every_row_of_the_real_list_is_accounted_for(real_data: Path, operator: Caller) -> None:
    report = _load(real_data / "prompts_chat.csv", operator)
    assert report.registered == 1512
    assert report.registered + report.read["repeated_rows"] + len(report.refused) == 1529
    assert max(len(text) for text in Prompt.objects.values_list("text", flat=True)) == 144_260
    assert report.clauses is not None
    assert report.clauses.checked == 1512
    assert {remark.clause for remark in report.clauses.remarks} == {"no-unfilled-variables"}
    assert len(report.clauses.remarks) == 463
    (hidden,) = report.refused
    assert hidden["value"] == "ZERO WIDTH SPACE"
    assert not _load(real_data / "prompts_chat.csv", operator).has_changes


def test_a_table_of_ones_own_is_the_teams_alone(tmp_path: Path, operator: Caller) -> None:
    file = tmp_path / "own.csv"
    file.write_text('act,prompt\nOur bot,"You quote {price}."\n')
    report = prompts_chat.load(
        table=prompts_chat_csv.load_table(file=file), source=str(file), caller=operator
    )
    prompt = Prompt.objects.get()
    assert (prompt.is_open, prompt.licence, prompt.preview) == (False, "", "")
    assert any("the team's alone" in note for note in report.notes)
