"""Every importer says of each row of its source what became of it, in a dry run, a run and a second run alike."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mintmark.accounts.callers import Caller
from mintmark.common import score_names
from mintmark.evidence.models import Event
from mintmark.integrations import (
    dotprompt,
    file_discovery,
    file_import,
    import_report,
    langfuse_reader,
    mlflow_reader,
    prompts_chat,
    prompts_chat_csv,
    prompty,
    registry_import,
    skills,
)
from mintmark.registry.models import Prompt

from . import mlflow_store
from .test_langfuse import LISTS, _prompt, _score

pytestmark = pytest.mark.django_db

NOW = datetime(2099, 1, 1, tzinfo=UTC)

type Load = Callable[[bool], import_report.ImportReport]


def _check(load: Load, *, rows: int) -> import_report.RowAccount:
    """The account of a source of so many rows: three runs agree, each row stands once, nothing is doubled."""
    tried, done, again = load(True), load(False), load(False)
    assert tried.rows is not None
    assert tried.rows.as_json() == _get_account(done) == _get_account(again)
    account = tried.rows
    listed = [*account.evidence, *account.prompts, *account.refused]
    for left_out in account.left_out.values():
        listed += left_out
    assert len(listed) == len(set(listed)) == account.total == rows
    assert (tried.registered, tried.recorded) == (done.registered, done.recorded)
    assert (again.registered, again.recorded, again.has_changes) == (0, 0, False)
    assert again.unchanged == done.registered + done.unchanged == Prompt.objects.count()
    assert again.repeated == done.recorded + done.repeated
    assert done.recorded == Event.objects.count()
    assert [dict(row) for row in tried.refused] == [dict(row) for row in again.refused]
    return account


def _get_account(report: import_report.ImportReport) -> Any:
    return report.as_json()["rows"]


def test_langfuse(operator: Caller) -> None:
    lists = json.loads(json.dumps(LISTS))
    lists["prompts"] += [
        _prompt("blocks", 1, "{{#if x}}a{{/if}}"), lists["prompts"][0], _prompt("talk", 1, "else"), 7,
        _prompt("a b", 1, ""),
    ]  # fmt: skip
    lists["scores"] += [
        lists["scores"][0], _score("s7", None, dataType="TEXT"), _score("s8", 1, timestamp="?"), None,
    ]  # fmt: skip
    lists["observations"].append(
        {"id": "o9", "traceId": "t9", "promptName": "blocks", "promptVersion": 1, "model": "m"}
    )
    lists["scores"].append(_score("s9", 4, traceId="t9"))
    mapping = score_names.parse_mapping(scores=["helpful=1..5", "quick=0..1"])

    def load(dry_run: bool) -> import_report.ImportReport:
        return registry_import.load(
            registry=langfuse_reader.parse_registry(lists, name="langfuse", mapping=mapping),
            tool=registry_import.LANGFUSE, caller=operator, now=NOW, dry_run=dry_run,
        )  # fmt: skip

    account = _check(load, rows=len(lists["prompts"]) + len(lists["scores"]))
    assert account.prompts == ["prompts.0", "prompts.1", "prompts.2"]
    assert account.evidence == ["scores.0", "scores.1", "scores.2"]
    assert account.left_out == {
        "a row that stands twice": ["prompts.4", "scores.6"],
        "a text, which is words and no score": ["scores.7"],
    }


def test_mlflow(operator: Caller, tmp_path: Path) -> None:
    store = tmp_path / "mlflow.db"
    mlflow_store.write(store)
    mapping = score_names.parse_mapping(scores=["graded=0..1", "said=no:0,yes:1"])

    def load(dry_run: bool) -> import_report.ImportReport:
        held = mlflow_reader.load_registry(store=str(store), mapping=mapping)
        return registry_import.load(
            registry=held, tool=registry_import.MLFLOW, caller=operator, now=NOW, dry_run=dry_run
        )

    account = _check(load, rows=4 + 5)
    assert account.prompts == ["prompts:/chat/1", "prompts:/greet/1", "prompts:/greet/2"]
    assert (len(account.evidence), account.left_out) == (3, {})


def test_a_table(operator: Caller, tmp_path: Path) -> None:
    file = tmp_path / "prompts.csv"
    file.write_text(
        "act,prompt,for_devs,type\n"
        "Greeter,Say hi.,TRUE,TEXT\nGreeter,Say hi.,TRUE,TEXT\nOther,,TRUE,TEXT\n"
        "Third,Say x.,perhaps,TEXT\nFourth,Say y.,FALSE,TEXT\n"
    )

    def load(dry_run: bool) -> import_report.ImportReport:
        table = prompts_chat_csv.load_table(file=file)
        return prompts_chat.load(table=table, source=str(file), caller=operator, dry_run=dry_run)

    account = _check(load, rows=5)
    assert account.prompts == [0, 4]
    assert account.left_out == {"a row that stands twice": [1]}
    assert account.refused == [2, 3]


@pytest.mark.parametrize(
    ("format", "names"),
    [
        (dotprompt.FORMAT, ("a.prompt", "b.prompt", "c.prompt")),
        (prompty.FORMAT, ("a.prompty", "b.prompty", "c.prompty")),
        (skills.FORMAT, ("a/SKILL.md", "b/SKILL.md", "c/SKILL.md")),
    ],
)
def test_files(
    format: file_discovery.FileFormat, names: tuple[str, ...], operator: Caller, tmp_path: Path
) -> None:
    first = "---\nname: a\ndescription: It says hi.\n---\nSay hi.\n"
    for name, text in zip(
        names, (first, "---\nname: [\n---\nx", first.replace("name: a", "name: c")), strict=True
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "README.txt").write_text("no prompt")

    def load(dry_run: bool) -> import_report.ImportReport:
        folder = file_discovery.read_all(path=tmp_path, format=format)
        return file_import.load(folder=folder, format=format, caller=operator, dry_run=dry_run)

    account = _check(load, rows=3)
    assert (account.prompts, account.refused) == ([0, 2], [1])
