"""Finds a Chromium for the browser tests, or installs one: `python -m tests.browser`.

The order: `MINTMARK_CHROMIUM`, a browser on the PATH, what playwright downloaded before; then, only
when run as a command, playwright's own download and Debian's package. A candidate counts when it
runs: a stub that only tells where to get a browser does not.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

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


def _run_in_turn(commands: list[list[str]]) -> str:
    """Run the commands up to the first that fails; returns what that one complained of."""
    for command in commands:
        ran = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        if ran.returncode != 0:
            said = [line.strip() for line in ran.stdout.splitlines() if line.strip()]
            errors = [line for line in said if line.lower().startswith(("error", "e:"))]
            return (errors or said or [f"exit code {ran.returncode}"])[-1]
    return ""


def _ways_to_install() -> Iterator[tuple[str, list[list[str]]]]:
    playwright = [sys.executable, "-m", "playwright"]
    yield "trying playwright's download", [[*playwright, "install", "chromium"]]
    as_root = _as_root()
    if as_root is not None and shutil.which("apt-get"):
        apt = [*as_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
        package = [[*apt, "update"], [*apt, "install", "-y", "chromium"]]
        yield "trying the system's package", package
        libraries = [[*as_root, *playwright, "install-deps", "chromium"]]
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


if __name__ == "__main__":
    found = find() or install()
    print(
        f"Browser tests use {found}"
        if found
        else "No Chromium could be found or installed: the browser tests will be skipped. "
        "Install one, or name one in MINTMARK_CHROMIUM."
    )
