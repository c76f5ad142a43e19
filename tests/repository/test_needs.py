"""A test that lacks what it needs says so, and fails where that must not happen."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ONE_TEST = "tests/repository/test_needs.py::test_the_real_data_are_where_the_tests_look"


@pytest.mark.data
def test_the_real_data_are_where_the_tests_look(real_data: Path) -> None:
    """The tests below run this one again, without the data."""
    assert list(real_data.iterdir())


def _run(**environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MINTMARK_")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-rs", "-p", "no:cacheprovider", ONE_TEST],
        cwd=ROOT,
        env=kept | environment,
        capture_output=True,
        text=True,
    )


def test_a_need_that_is_not_met_is_a_skip_that_says_why(tmp_path: Path) -> None:
    run = _run(MINTMARK_DATA=str(tmp_path / "nowhere"))
    assert run.returncode == 0
    assert "1 skipped" in run.stdout
    assert "name their folder in MINTMARK_DATA" in run.stdout


def test_a_need_that_is_required_and_not_met_is_a_failure(tmp_path: Path) -> None:
    run = _run(MINTMARK_DATA=str(tmp_path / "nowhere"), MINTMARK_REQUIRE="browser,data")
    assert run.returncode == 1
    assert "MINTMARK_REQUIRE names data" in run.stdout


def test_a_need_that_nobody_knows_is_refused() -> None:
    run = _run(MINTMARK_REQUIRE="date")
    assert run.returncode != 0
    assert "MINTMARK_REQUIRE names date; it knows browser, postgres, data." in run.stderr
