"""Import, calibrate, replay, audit, seal, worker: the commands on the books."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mintmark.cli import exit_codes, worker
from mintmark.evidence import checkpoints
from mintmark.evidence.models import Event
from mintmark.projection import projector
from mintmark.registry.models import Prompt
from tests.cli.conftest import Call
from tests.factories.cast import NOW, Cast
from tests.installations import installation
from tests.integrations import corpus

pytestmark = pytest.mark.django_db

Answer = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    corpus.write(tmp_path, "sorting.json", corpus.task())
    return tmp_path


def test_an_import_says_what_it_did_and_a_second_that_nothing_changed(
    call: Call, folder: Path
) -> None:
    first = call("import", "multiprompt", str(folder))
    assert first.exit_code == exit_codes.DONE
    assert "3 registered" in first.stdout
    second = call("import", "multiprompt", str(folder))
    assert "Nothing changed." in second.stdout


def test_an_import_gives_its_report_as_json(answer: Answer, folder: Path) -> None:
    report = answer("import", "multiprompt", str(folder), "--dry-run")
    assert report["dry_run"] is True
    assert report["prompts"] == {"registered": 3, "unchanged": 0}
    assert report["events"] == {"recorded": 9, "repeated": 0}
    assert not Prompt.objects.exists()


def test_evidence_is_dated_as_told(answer: Answer, folder: Path) -> None:
    answer("import", "multiprompt", str(folder), "--measured-on", "2024-01-01")
    assert {at.isoformat() for at in Event.objects.values_list("occurred_at", flat=True)} == {
        "2024-01-01T00:00:00+00:00"
    }


def test_refused_rows_are_listed_and_the_exit_code_says_so(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "prompts.csv"
    file.write_text("act,prompt\nGood,text\nBad,hid\u200bden\n")
    result = call("import", "prompts-csv", str(file))
    assert result.exit_code == exit_codes.PROBLEM
    assert "prompts.csv, line 3: prompt" in result.stderr
    assert "1 registered" in result.stdout
    as_json = json.loads(call("import", "prompts-csv", str(file), "--json").stdout)
    assert [row["line"] for row in as_json["refused"]] == [3]


def test_strict_is_bad_input_and_stores_nothing(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "prompts.csv"
    file.write_text("act,prompt\nGood,text\nBad,hid\u200bden\n")
    assert call("import", "prompts-csv", "--strict", str(file)).exit_code == exit_codes.BAD_INPUT
    assert not Prompt.objects.exists()


@pytest.mark.parametrize(
    ("kind", "file"),
    [("skills", "a/SKILL.md"), ("dotprompt", "a.prompt"), ("prompty", "a.prompty")],
)
def test_prompts_kept_as_files_come_in_and_a_bad_one_is_named(
    kind: str, file: str, call: Call, tmp_path: Path
) -> None:
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text("---\nname: a\ndescription: Says hi.\n---\nHi {{x}}\n")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / path.name).write_text("---\nname: [\n---\n")
    result = call("import", kind, str(tmp_path), "--team", "writers", "--open")
    assert result.exit_code == exit_codes.PROBLEM
    assert f"bad/{path.name}, line 3" in result.stderr
    assert "1 registered" in result.stdout
    prompt = Prompt.objects.get()
    assert (prompt.reference, prompt.team.name, prompt.is_open) == (f"{kind}/a@1", "writers", True)
    assert call("import", kind, str(tmp_path), "--strict").exit_code == exit_codes.BAD_INPUT


def _some_evidence() -> None:
    cast = Cast()
    for n in range(30):
        cast.record(
            cast.outcome(score=(n % 5) / 4, runs=4, occurred_at=NOW - timedelta(days=30 - n))
        )
    projector.project_pending(now=NOW)


def test_calibrate_puts_a_learned_policy_in_force(answer: Answer) -> None:
    _some_evidence()
    learned = answer("calibrate", "--note", "for the test")
    assert learned["learned_from"] == 30
    assert learned["policy"] > learned["before"]


def test_calibrate_refuses_what_is_too_little(call: Call) -> None:
    result = call("calibrate")
    assert result.exit_code == exit_codes.BAD_INPUT
    assert "too_little_evidence" in result.stderr


@pytest.mark.both("smoke set: the commands on the books")
def test_replay_and_audit_find_what_was_changed_behind_their_back(folder: Path) -> None:
    tamper = "from mintmark.projection.prompt_models import CurrentPromptScore as S; S.objects.update(runs=7)"
    with installation() as made:
        made.run("mintmark.cli", "import", "multiprompt", str(folder))
        made.run("mintmark.cli", "worker", "--once")  # on PostgreSQL nobody else folds here
        made.run("django", "shell", "--verbosity", "0", "--command", tamper)
        with pytest.raises(AssertionError, match=r"ended with 1:(?s:.)*reputation_standing"):
            made.run("mintmark.cli", "replay", "--check")
        with pytest.raises(AssertionError, match=r"ended with 1:(?s:.)*BROKEN"):
            made.run("mintmark.cli", "audit")
        made.run("mintmark.cli", "replay")
        assert json.loads(made.run("mintmark.cli", "audit", "--json"))["holds"] is True


def test_heads_that_were_written_down_hold_until_history_is_rewritten(folder: Path) -> None:
    tamper = (
        "from tests import tampering\n"
        "from mintmark.evidence.models import Event, EvidenceCheckpoint\n"
        "with tampering.past_the_triggers():\n"
        "    Event.objects.filter(pk=Event.objects.earliest('id').pk).update(note='rewritten')\n"
    )
    with installation() as made:
        made.run("mintmark.cli", "import", "multiprompt", str(folder))
        made.run("mintmark.cli", "worker", "--once")
        sealed = json.loads(made.run("mintmark.cli", "ledger", "seal", "--json"))
        assert sealed["sealed"] == {"evidence": 9, "tokens": 0}
        evidence, tokens = sealed["heads"]
        assert evidence.startswith("evidence:1:")
        assert tokens == f"tokens:0:{'0' * 64}"
        audit = ("mintmark.cli", "audit", "--head", evidence, "--head", tokens)
        found = json.loads(made.run(*audit, "--json"))
        assert found["holds"] is True
        checked = {finding["code"]: finding["checked"] for finding in found["findings"]}
        assert (checked["heads"], checked["evidence_seals"]) == (2, 1)

        shell = ("django", "shell", "--verbosity", "0", "--command")
        made.run(*shell, tamper)
        with pytest.raises(
            AssertionError, match=r"evidence_seals: checkpoint 1, rows (?s:.)*changed"
        ):
            made.run("mintmark.cli", "audit")
        made.run(*shell, f"{tamper}    EvidenceCheckpoint.objects.all().delete()\n")
        again = made.run("mintmark.cli", "ledger", "seal").splitlines()
        assert again[0].startswith("evidence:1:")
        assert again[0] != evidence and again[1] == tokens
        with pytest.raises(
            AssertionError, match=r"! heads: evidence:1:\w+: checkpoint 1 now"
        ) as told:
            made.run(*audit)
        # A chain made anew is right in itself: the head alone tells.
        assert str(told.value).count("BROKEN") == 1


@pytest.mark.parametrize("head", ["evidence:1", "evidence:1:xyz", f"ledger:1:{'0' * 64}"])
def test_what_is_no_head_is_bad_input(call: Call, head: str) -> None:
    result = call("audit", "--head", head)
    assert result.exit_code == exit_codes.BAD_INPUT
    assert "--head" in result.stderr


def test_a_worker_seals_both_books() -> None:
    _some_evidence()
    assert worker._write_checkpoints() is False
    assert (checkpoints.get_head().number, checkpoints.verify().holds) == (1, True)
    assert worker._write_checkpoints() is False
    assert checkpoints.get_head().number == 1


def test_a_worker_folds_what_is_there_once(answer: Answer) -> None:
    _some_evidence()
    assert answer("worker", "--once") == {"projected": 0}


def test_migrate_finds_a_database_that_is_up_to_date(call: Call, answer: Answer) -> None:
    assert answer("migrate", "--check") == {"migrations": [], "run": False}
    assert "up to date" in call("migrate").stdout
