"""`mintmark vault verify`: anywhere, by keys that whoever calls it trusts."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mintmark.cli.main import main
from mintmark.signing import dsse, folder_manifest
from tests.bundles import generate, payloads
from tests.bundles.payloads import HOUSE, STRANGER, TEAM

ROOT = Path(__file__).parents[2]
GOOD = ROOT / "tests/bundles/good"
BAD = ROOT / "tests/bundles/bad"
HOUSE_ID, TEAM_ID, STRANGER_ID = map(dsse.get_key_id, (HOUSE, TEAM, STRANGER))


def verified(file: Path, *arguments: str) -> Result:
    result = CliRunner().invoke(main, ["vault", "verify", str(file), *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def document(file: Path, *arguments: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(verified(file, *arguments, "--json").stdout)
    return answer


def test_it_says_who_signed_what() -> None:
    result = verified(GOOD / "family.json", "--key", HOUSE_ID)
    assert result.exit_code == 0, result.output
    for part in (
        f"{HOUSE_ID}, which you trust", f"{TEAM_ID}, which was not given", "Mintmark of Acme",
        payloads.INSTALLATION, "forks/triage-calm@2", "acme/triage@3", "passed on", "MIT", "0.840",
    ):  # fmt: skip
        assert part in result.stdout


def test_its_document_says_the_same() -> None:
    answer = document(GOOD / "family.json", "--key", TEAM_ID)
    assert answer["holds"] and answer["message"] == ""
    assert answer["signed_by"] == [
        {"key_id": TEAM_ID, "trusted": True}, {"key_id": HOUSE_ID, "trusted": False},
    ]  # fmt: skip
    assert answer["issuer"]["installation"] == payloads.INSTALLATION
    first = answer["prompts"][0]
    assert (first["name"], first["trust"], first["licence"]) == ("forks/triage-calm@2", 0.84, "MIT")


def test_a_receipt_says_what_was_paid() -> None:
    assert "for 12.5 credits" in verified(GOOD / "receipt.json", "--key", HOUSE_ID).stdout


def test_without_a_key_nobody_is_vouched_for() -> None:
    result = verified(GOOD / "small.json")
    assert result.exit_code == 1
    assert HOUSE_ID in result.stdout
    assert "State which keys should have signed it" in result.output


def test_another_key_is_not_enough() -> None:
    result = verified(GOOD / "small.json", "--key", STRANGER_ID)
    assert result.exit_code == 1
    assert "None of the keys" in result.output


def test_a_threshold_takes_distinct_keys() -> None:
    both = ["--key", HOUSE_ID, "--key", TEAM_ID, "--threshold", "2"]
    assert verified(GOOD / "family.json", *both).exit_code == 0
    refused = verified(GOOD / "small.json", *both)
    assert refused.exit_code == 1
    assert "below_threshold" in refused.output
    twice = ["--key", HOUSE_ID, "--key", HOUSE_ID, "--threshold", "2"]
    assert verified(GOOD / "family.json", *twice).exit_code == 2


def test_a_key_may_be_in_a_file(tmp_path: Path) -> None:
    for content in (dsse.export_pem(HOUSE_ID), HOUSE_ID + "\n"):
        (tmp_path / "key").write_text(content)
        assert verified(GOOD / "small.json", "--key", str(tmp_path / "key")).exit_code == 0
    assert verified(GOOD / "small.json", "--key", HOUSE_ID.upper()).exit_code == 0


@pytest.mark.parametrize("content", ["", "0" * 64, "-----BEGIN CERTIFICATE-----\n", "é" * 32])
def test_what_is_no_key_is_bad_input(tmp_path: Path, content: str) -> None:
    (tmp_path / "key").write_text(content)
    result = verified(GOOD / "small.json", "--key", str(tmp_path / "key"))
    assert result.exit_code == 2
    assert "not_a_signing_key" in result.output


def test_what_is_not_there_is_bad_input(tmp_path: Path) -> None:
    for arguments in (
        [str(tmp_path / "none.json"), "--key", HOUSE_ID],
        [str(GOOD / "small.json"), "--key", str(tmp_path / "none.pem")],
    ):
        result = CliRunner().invoke(main, ["vault", "verify", *arguments])
        assert result.exit_code == 2
        assert "unreadable_bundle" in result.output


@pytest.mark.parametrize(
    "name", ["digest_mismatch", "wrong_key", "depth_10_4", "zip_bomb", "empty"]
)
def test_what_was_changed_is_a_problem_with_its_code(name: str) -> None:
    code = generate.bad()[name].code
    assert f"Refused ({code})" in verified(BAD / f"{name}.json", "--key", HOUSE_ID).output
    result = verified(BAD / f"{name}.json", "--key", HOUSE_ID, "--json")
    assert (result.exit_code, json.loads(result.stdout)["error"]["code"]) == (1, code)


def test_no_more_is_read_than_is_said() -> None:
    answer = document(GOOD / "small.json", "--key", HOUSE_ID, "--max-bytes", "1000")
    assert answer["error"]["code"] == "too_large"


def test_more_is_read_if_it_is_said(tmp_path: Path) -> None:
    text = "x" * 400_000
    (tmp_path / "large.json").write_bytes(
        payloads.sealed([payloads.prompt(f"acme/a@{n}", text=text) for n in range(1, 40)])
    )
    arguments = [tmp_path / "large.json", "--key", HOUSE_ID]
    assert document(*arguments)["error"]["code"] == "too_large"  # type: ignore[arg-type]
    assert document(*arguments, "--max-bytes", "30000000")["holds"]  # type: ignore[arg-type]


def test_hidden_characters_are_reported() -> None:
    result = verified(GOOD / "hidden_unicode.json", "--key", HOUSE_ID)
    assert result.exit_code == 0
    assert "hides RIGHT-TO-LEFT OVERRIDE (U+202E) at line 2, column 4" in result.output
    (prompt,) = document(GOOD / "hidden_unicode.json", "--key", HOUSE_ID)["prompts"]
    assert [place["code_point"] for place in prompt["hidden"]] == [0x202E, 0x200B]


def test_what_a_bundle_says_does_nothing_to_a_terminal(tmp_path: Path) -> None:
    title = "\x1b]0;owned\x07\x1b[2J\nEvery signature holds\u202e"
    issuer = {"installation": payloads.INSTALLATION, "name": title, "team": title}
    told = {"name": "x", "title": title, "description": ""}
    licence = payloads.prompt(licence="MIT\x1b[31m")
    (tmp_path / "sly.json").write_bytes(
        payloads.sealed([licence], issuer=issuer, prompt_set=told, keys=[HOUSE])
    )
    result = verified(tmp_path / "sly.json", "--key", HOUSE_ID)
    assert result.exit_code == 0
    assert all(line.isprintable() for line in result.output.splitlines())
    assert "⟨U+001B⟩" in result.stdout
    assert result.stdout.count("\nEvery signature holds") == 0


def _folder(at: Path) -> Path:
    files = {
        "bundle.json": (GOOD / "small.json").read_bytes(),
        "skills/triage/SKILL.md": b"Sort {ticket}.",
    }
    for path, raw in folder_manifest.sign(files, kind="skill", keys=[TEAM]).items():
        (at / path).parent.mkdir(parents=True, exist_ok=True)
        (at / path).write_bytes(raw)
    return at


def test_a_folder_is_verified_as_a_whole(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "good")
    assert document(folder, "--key", TEAM_ID)["kind"] == "folder"
    assert verified(folder, "--key", TEAM_ID).exit_code == 0
    assert verified(folder, "--key", HOUSE_ID).exit_code == 1
    (folder / "skills/triage/SKILL.md").write_bytes(b"Sort {ticket}!")
    assert document(folder, "--key", TEAM_ID)["error"]["code"] == "digest_mismatch"
    (folder / "skills/triage/SKILL.md").unlink()
    assert document(folder, "--key", TEAM_ID)["error"]["code"] == "missing_file"


def test_a_file_or_a_link_too_many_in_a_folder_is_refused(tmp_path: Path) -> None:
    more = _folder(tmp_path / "more")
    (more / ".hidden").write_text("run me")
    assert document(more, "--key", TEAM_ID)["error"]["code"] == "extra_file"
    linked = _folder(tmp_path / "linked")
    (linked / "out").symlink_to("/")
    assert "unreadable_bundle" in verified(linked, "--key", TEAM_ID).output
    (linked / "out").unlink()
    os.mkfifo(linked / "pipe")
    assert "unreadable_bundle" in verified(linked, "--key", TEAM_ID).output


def test_a_folder_of_endless_size_is_not_read(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "endless")
    (folder / "zeros").write_bytes(bytes(50_000))
    arguments = [folder, "--key", TEAM_ID, "--max-bytes", "10000"]
    assert "unreadable_bundle" in verified(*arguments).output  # type: ignore[arg-type]


def test_it_needs_no_django_and_no_installation(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from mintmark.cli.main import main\n"
        "try:\n"
        "    main(sys.argv[1:], prog_name='mintmark')\n"
        "except SystemExit as done:\n"
        "    print(done.code, 'django' in sys.modules, 'psycopg' in sys.modules, 'sqlite3' in sys.modules)\n"
    )
    command = ["vault", "verify", str(GOOD / "small.json"), "--key", HOUSE_ID, "--json"]
    run = subprocess.run(
        [sys.executable, "-c", code, *command],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
    )
    assert run.stdout.splitlines()[-1] == "0 False False False", run.stdout + run.stderr
    assert not list(tmp_path.iterdir())
