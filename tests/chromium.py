"""Finds a Chromium for the browser tests, or installs one: `python -m tests.chromium`.

The order: `MINTMARK_CHROMIUM`, a browser on the PATH, what playwright downloaded before; then, only
when run as a command, playwright's own download and Debian's package. A candidate counts when it
runs: a stub that only tells where to get a browser does not.

Where the package manager is at work for somebody else, its lock is waited for, five minutes at most. Where
`MINTMARK_REQUIRE` names `browser` and none could be had, the exit code is 1, so that `make test` stops there.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

_PATIENCE_SECONDS = 300.0
_PAUSE_SECONDS = 2.0
# What apt-get says where a lock is taken (see `_run`); where it may not open one, it says something else.
_LOCKED = "could not get lock"

# Asked in a process of its own: playwright cannot be started twice in one.
_ASK_PLAYWRIGHT = """
from playwright.sync_api import sync_playwright
with sync_playwright() as playwright:
    print(playwright.chromium.executable_path)
"""


@cache
def find() -> Path | None:
    """The executable of a Chromium that runs here; None when there is none."""
    return next((path for path in _candidates() if _runs(path)), None)


def install() -> Path | None:
    """As `find`, after trying to install one. Says each step that it takes."""
    if given := os.environ.get("MINTMARK_CHROMIUM"):
        print(f"MINTMARK_CHROMIUM names {given}, which does not run.")
        return None
    for step, commands in _ways_to_install():
        print(f"No Chromium here: {step}", flush=True)
        # A way that fails is followed by the next; what counts is whether a browser runs then.
        complaint = _run_in_turn(commands)
        find.cache_clear()
        if found := find():
            return found
        print(f"That did not help: {complaint or 'it does not run'}", flush=True)
    return None


def _candidates() -> Iterator[Path]:
    if given := os.environ.get("MINTMARK_CHROMIUM"):
        yield Path(given)
        return
    for name in _NAMES:
        if found := shutil.which(name):
            yield Path(found)
    yield Path(subprocess.check_output([sys.executable, "-c", _ASK_PLAYWRIGHT], text=True).strip())


def _runs(path: Path) -> bool:
    try:
        answer = subprocess.run([path, "--version"], capture_output=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0


def _run_in_turn(commands: list[list[str]], *, patience: float = _PATIENCE_SECONDS) -> str:
    """Run the commands up to the first that fails; returns what that one complained of."""
    for command in commands:
        if complaint := _run(command, patience=patience):
            return complaint
    return ""


def _run(command: list[str], *, patience: float) -> str:
    """Run a command, and again while a lock is in its way, for so many seconds; returns what it complained of.

    `DPkg::Lock::Timeout` is of dpkg's lock alone: for the locks of the lists and of the archives apt-get (2.6) does not
    wait, and fails at once.
    """
    deadline = time.monotonic() + patience
    said = False
    while complaint := _attempt(command):
        if _LOCKED not in complaint.lower():
            return complaint
        if time.monotonic() >= deadline:
            return f"the package manager was still at work after {patience:.0f} s: {complaint}"
        if not said:
            print(
                f"Waiting for the package manager, {patience:.0f} s at most: {complaint}",
                flush=True,
            )
            said = True
        time.sleep(min(_PAUSE_SECONDS, max(0.0, deadline - time.monotonic())))
    return ""


def _attempt(command: list[str]) -> str:
    """Run a command once; returns what it complained of, a lock before anything else, and nothing if it succeeded."""
    ran = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if ran.returncode == 0:
        return ""
    said = [line.strip() for line in ran.stdout.splitlines() if line.strip()]
    locked = [line for line in said if _LOCKED in line.lower()]
    errors = [line for line in said if line.lower().startswith(("error", "e:"))]
    return locked[0] if locked else (errors or said or [f"exit code {ran.returncode}"])[-1]


def _ways_to_install() -> Iterator[tuple[str, list[list[str]]]]:
    playwright = [sys.executable, "-m", "playwright"]
    yield "trying playwright's download", [[*playwright, "install", "chromium"]]
    as_root = _as_root()
    if as_root is not None and shutil.which("apt-get"):
        # In English, so that a lock is recognised.
        environment = [*as_root, "env", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive"]
        waiting = f"DPkg::Lock::Timeout={_PATIENCE_SECONDS:.0f}"
        apt = [*environment, "apt-get", "-qq", "-o", waiting]
        package = [[*apt, "update"], [*apt, "install", "-y", "chromium"]]
        limit = f"{_PATIENCE_SECONDS:.0f} s at most"
        yield f"trying the system's package, waiting for dpkg's lock for {limit}", package
        libraries = [[*environment, *playwright, "install-deps", "chromium"]]
        yield "trying the libraries that playwright's download needs", libraries


def _as_root() -> list[str] | None:
    """What to put before a command so that it runs as root unasked; None if nothing does that."""
    if os.geteuid() == 0:
        return []
    sudo = ["sudo", "-n"]
    if (
        shutil.which("sudo")
        and subprocess.run([*sudo, "true"], capture_output=True).returncode == 0
    ):
        return sudo
    return None


def main() -> int:
    """Find or install one and say which; the exit code, 1 where there is none and there has to be."""
    if found := find() or install():
        print(f"Browser tests use {found}")
        return 0
    required = "browser" in os.environ.get("MINTMARK_REQUIRE", "").split(",")
    what_follows = (
        "MINTMARK_REQUIRE names browser, so the tests are not run."
        if required
        else "The browser tests will be skipped."
    )
    print(
        f"No Chromium could be found or installed. {what_follows} What to do: install one (on Debian as root: apt-get "
        "update, then apt-get install chromium), or name its executable in MINTMARK_CHROMIUM; then run this again."
    )
    return 1 if required else 0


if __name__ == "__main__":
    sys.exit(main())
