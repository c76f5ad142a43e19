"""`python -m tests.chromium` waits for the package manager's locks, and stops where a browser is required."""

import fcntl
import os
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import chromium

ROOT = Path(__file__).resolve().parents[2]
LOCKED = "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 1 (apt-get)"


@pytest.fixture
def busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A command that finds the lock taken twice, then succeeds."""
    monkeypatch.setattr(chromium, "_PAUSE_SECONDS", 0.01)
    script = tmp_path / "apt-get"
    script.write_text(
        textwrap.dedent(f"""\
            #!/bin/sh
            echo x >> {tmp_path}/calls
            if [ $(wc -l < {tmp_path}/calls) -le 2 ]; then
                echo "{LOCKED}"
                echo "E: Unable to lock directory /var/lib/apt/lists/"
                exit 100
            fi
            """)
    )
    script.chmod(0o755)
    return [str(script)]


def test_a_lock_is_waited_for_and_what_is_waited_for_is_said_once(
    busy: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert chromium._run_in_turn([busy]) == ""
    assert (tmp_path / "calls").read_text().count("x") == 3
    said = capsys.readouterr().out
    assert said == f"Waiting for the package manager, 300 s at most: {LOCKED}\n"


def test_a_lock_is_not_waited_for_for_ever(busy: list[str]) -> None:
    complaint = chromium._run_in_turn([busy], patience=0.0)
    assert complaint == f"the package manager was still at work after 0 s: {LOCKED}"


def test_what_is_no_lock_is_not_tried_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [
        "sh",
        "-c",
        f"echo x >> {tmp_path}/calls; echo E: Unable to locate package; exit 100",
    ]
    assert chromium._run_in_turn([command, ["false"]]) == "E: Unable to locate package"
    assert (tmp_path / "calls").read_text() == "x\n"
    assert capsys.readouterr().out == ""


def test_every_call_of_apt_get_waits_for_dpkg_in_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chromium, "_as_root", lambda: [])
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    calls = [
        call for _, calls in chromium._ways_to_install() for call in calls if "apt-get" in call
    ]
    assert [call[-1] for call in calls] == ["update", "chromium"]
    for call in calls:
        assert "LC_ALL=C" in call and call[call.index("-o") + 1] == "DPkg::Lock::Timeout=300"


@contextmanager
def _held(lock: Path, *, seconds: float) -> Iterator[None]:
    """Another process holds a lock for so long."""
    hold = "import fcntl, sys, time; f = open(sys.argv[1], 'w'); fcntl.lockf(f, fcntl.LOCK_EX); print(flush=True); "
    holder = subprocess.Popen(
        [sys.executable, "-c", f"{hold} time.sleep({seconds})", str(lock)], stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    try:
        yield
    finally:
        holder.wait()
        holder.stdout.close()


@pytest.mark.parametrize("lock", ["lists/lock", "dpkg/lock-frontend"])
@pytest.mark.skipif(not shutil.which("apt-get"), reason="this system has no apt-get")
def test_the_real_apt_get_is_waited_for(
    lock: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chromium, "_PAUSE_SECONDS", 0.1)
    for folder in ("lists/partial", "dpkg", "archives/partial"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "dpkg/status").touch()
    options = {
        "Dir::State": tmp_path,
        "Dir::State::status": tmp_path / "dpkg/status",
        "Dir::Cache": tmp_path,
        "Dir::Etc::sourcelist": os.devnull,
        "Dir::Etc::sourceparts": os.devnull,
        "APT::Sandbox::User": "root",
        "DPkg::Lock::Timeout": 300,
    }
    given = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
    what = ["update"] if lock.startswith("lists") else ["install", "-y"]
    begun = time.monotonic()
    with _held(tmp_path / lock, seconds=1.0):
        assert chromium._run_in_turn([["env", "LC_ALL=C", "apt-get", "-qq", *given, *what]]) == ""
    assert time.monotonic() - begun >= 0.9
    with (tmp_path / lock).open("w") as free:
        fcntl.lockf(free, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.parametrize(("required", "code"), [("", 0), ("data", 0), ("browser,postgres", 1)])
def test_the_tests_stop_where_a_browser_is_required_and_none_can_be_had(
    required: str, code: int
) -> None:
    nothing = {"MINTMARK_CHROMIUM": "/nowhere/chromium", "MINTMARK_REQUIRE": required}
    ran = subprocess.run(
        [sys.executable, "-m", "tests.chromium"],
        cwd=ROOT,
        env=os.environ | nothing,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == code, ran.stdout + ran.stderr
    assert "MINTMARK_CHROMIUM names /nowhere/chromium, which does not run." in ran.stdout
    assert "What to do: install one" in ran.stdout
    assert ("so the tests are not run" in ran.stdout) == bool(code)
