"""The door itself: what it lists, how it refuses, what it documents."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from mintmark.cli import exit_codes
from mintmark.cli.main import COMMANDS, main
from tests.cli.conftest import Call
from tests.integrations import corpus

ROOT = Path(__file__).resolve().parents[2]


def _leaves(
    group: click.Group = main, path: tuple[str, ...] = ()
) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, f"{name} is listed and can't be loaded"
        if isinstance(command, click.Group):
            yield from _leaves(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


def _process(*arguments: str, home: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "MINTMARK_HOME": str(home), "PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_of_a_command_what_the_command_says(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert command.get_short_help_str(limit=200) == COMMANDS[name][1]


def test_every_command_that_answers_takes_json() -> None:
    without = {
        path
        for path, command in _leaves()
        if not any("--json" in parameter.opts for parameter in command.params)
    }
    assert without == {"serve", "mcp"}


def test_every_command_and_option_is_documented() -> None:
    documented = (ROOT / "docs/cli.md").read_text()
    for path, command in _leaves():
        section = re.search(
            rf"^#+ `mintmark {path}\b.*?(?=^#+ `|\Z)", documented, flags=re.MULTILINE | re.DOTALL
        )
        assert section, f"docs/cli.md has no section on `mintmark {path}`"
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not parameter.hidden:
                for option in parameter.opts + parameter.secondary_opts:
                    assert f"`{option}" in section[0], f"docs/cli.md: {path} lacks {option}"


def test_every_documented_command_is_there() -> None:
    documented = re.findall(
        r"^#+ `mintmark ([a-z -]+?)(?: [A-Z[-].*)?`",
        (ROOT / "docs/cli.md").read_text(),
        re.MULTILINE,
    )
    assert set(documented) == {path for path, _ in _leaves()}


def test_every_exit_code_is_documented() -> None:
    documented = (ROOT / "docs/cli.md").read_text()
    for name, code in vars(exit_codes).items():
        if name.isupper():
            assert f"| {code} |" in documented, f"docs/cli.md lacks the exit code {code}"


def test_every_setting_is_documented_and_every_documented_one_is_read() -> None:
    read = {
        name
        for file in (ROOT / "mintmark").rglob("*.py")
        for name in re.findall(r"\b(?:MINTMARK_[A-Z_]+[A-Z])\b", file.read_text())
    }
    rows = re.findall(
        r"^\| `(MINTMARK_[A-Z_]+)`", (ROOT / "docs/settings.md").read_text(), re.MULTILINE
    )
    assert len(rows) == len(set(rows))
    assert set(rows) == read


def test_help_needs_neither_django_nor_numba(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from mintmark.cli.main import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "print({'django', 'numba', 'numpy'} & sys.modules.keys())"
    )
    assert _process("-c", script, home=tmp_path).stdout.splitlines()[-1] == "set()"


@pytest.mark.parametrize("name", ["backtest", "simulate"])
def test_what_needs_no_database_needs_no_django(tmp_path: Path, name: str) -> None:
    script = (
        "import sys\n"
        "from mintmark.cli.main import main\n"
        f"main(['{name}', '--help'], standalone_mode=False)\n"
        "print('django' in sys.modules)"
    )
    assert _process("-c", script, home=tmp_path).stdout.splitlines()[-1] == "False"


def test_an_unknown_command_is_bad_usage(call: Call) -> None:
    result = call("prophesy")
    assert result.exit_code == exit_codes.BAD_INPUT
    assert "prophesy" in result.stderr


@pytest.mark.django_db
def test_a_refusal_is_a_message_and_its_rows_not_a_traceback(call: Call, tmp_path: Path) -> None:
    corpus.write(tmp_path, "broken.json", '{"paraphrases": {"1": {"accs": {"m": 1.7}}}}')
    result = call("import", "multiprompt", str(tmp_path))
    assert result.exit_code == exit_codes.BAD_INPUT
    assert "unreadable_source" in result.stderr
    assert "paraphrases.1.accs.m = 1.7: A share is a number from 0 to 1" in result.stderr
    assert "Traceback" not in result.output
    assert result.stdout == ""


@pytest.mark.django_db
def test_with_json_a_refusal_is_json(call: Call, tmp_path: Path) -> None:
    result = call("import", "multiprompt", str(tmp_path / "nowhere"), "--json")
    assert result.exit_code == exit_codes.BAD_INPUT
    assert json.loads(result.stdout)["error"]["code"] == "unreadable_source"


def test_before_migrate_a_command_says_to_run_it(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'empty.sqlite3'}"
    done = _process("-m", "mintmark.cli", "audit", home=tmp_path, MINTMARK_DATABASE_URL=database)
    assert done.returncode == exit_codes.NOT_READY
    assert "mintmark migrate" in done.stderr


def test_a_database_that_does_not_answer_is_named_at_once(tmp_path: Path) -> None:
    nobody = "postgresql://a:b@127.0.0.1:1/x"
    done = _process("-m", "mintmark.cli", "audit", home=tmp_path, MINTMARK_DATABASE_URL=nobody)
    assert done.returncode == exit_codes.NOT_READY
    assert "MINTMARK_DATABASE_URL" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    done = _process("-m", "mintmark.cli", "audit", home=tmp_path, MINTMARK_PROJECTION="perhaps")
    assert done.returncode == exit_codes.NOT_READY
    assert "MINTMARK_PROJECTION" in done.stderr


def test_ctrl_c_ends_a_command_in_order(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    from mintmark.cli import bootstrap

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(bootstrap, "open_database", interrupted)
    result = call("audit")
    assert result.exit_code == exit_codes.INTERRUPTED
    assert "Interrupted" in result.stderr


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from mintmark.cli import main as door\n"
        "import click\n"
        "@click.command()\n"
        "def flood():\n"
        "    while True: click.echo('x' * 1000)\n"
        "door.main.add_command(flood)\n"
        "door.main.get_command = lambda *_: flood\n"
        "door.main(['flood'])"
    )
    shell = f'"{sys.executable}" -c "$SCRIPT" | head -1 >/dev/null; echo "${{PIPESTATUS[0]}}"'
    done = subprocess.run(
        ["bash", "-c", shell],
        env={**os.environ, "SCRIPT": script, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.strip() == str(exit_codes.READER_GONE)
    assert done.stderr == ""


def test_the_shell_completes_commands_without_loading_them(tmp_path: Path) -> None:
    done = _process(
        "-m",
        "mintmark.cli",
        home=tmp_path,
        _MINTMARK_COMPLETE="bash_complete",
        COMP_WORDS="mintmark im",
        COMP_CWORD="1",
    )
    assert done.stdout.split() == ["plain,import"]


@pytest.mark.parametrize("command", [["mcp"], ["key", "list"]])
def test_a_command_without_a_database_says_so_and_makes_none(
    command: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "there-is-none.sqlite3"
    ran = subprocess.run(
        [sys.executable, "-m", "mintmark.cli", *command],
        env=os.environ
        | {"MINTMARK_HOME": str(tmp_path), "MINTMARK_DATABASE_URL": f"sqlite:///{file}"},
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )
    assert ran.returncode == exit_codes.NOT_READY, ran.stderr
    assert f"There is no database {file}: run `mintmark migrate`" in " ".join(ran.stderr.split())
    assert not file.exists()
