"""What a run of the tests has at hand, and on which database it runs.

The database is the one that `MINTMARK_DATABASE_URL` names, SQLite when it names none:
`python -m tests.postgres pytest` runs on PostgreSQL. A test that needs what is not here (markers
`browser`, `postgres`, `data`) is skipped and says why; named in `MINTMARK_REQUIRE`
(`browser,postgres,data`), the lack is a failure instead.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from django.db import connection

from mintmark.database import settled
from mintmark.registry import codices
from tests import browser

hypothesis.settings.register_profile("ci", deadline=None, derandomize=True)
hypothesis.settings.register_profile("nightly", deadline=None, max_examples=5_000, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

_DATA_BESIDE_THE_REPOSITORY = Path(__file__).resolve().parents[2] / "shared" / "data"


def data_folder() -> Path:
    """Where the real data lie, if they do."""
    return Path(os.environ.get("MINTMARK_DATA", _DATA_BESIDE_THE_REPOSITORY))


def _lacks_browser() -> str | None:
    return None if browser.find() else "no Chromium runs here: `python -m tests.browser` gets one"


def _lacks_postgres() -> str | None:
    if connection.vendor == "postgresql":
        return None
    return "this run is on SQLite: `python -m tests.postgres pytest` runs on PostgreSQL"


def _lacks_data() -> str | None:
    if data_folder().is_dir():
        return None
    return "the real data are not in ../shared/data; name their folder in MINTMARK_DATA"


_LACKS: dict[str, Callable[[], str | None]] = {
    "browser": _lacks_browser,
    "postgres": _lacks_postgres,
    "data": _lacks_data,
}


def pytest_configure() -> None:
    unknown = _required() - _LACKS.keys()
    if unknown:
        raise pytest.UsageError(
            f"MINTMARK_REQUIRE names {', '.join(sorted(unknown))}; it knows {', '.join(_LACKS)}."
        )


def pytest_runtest_setup(item: pytest.Item) -> None:
    for need, lacks in _LACKS.items():
        if item.get_closest_marker(need) and (lack := lacks()):
            if need in _required():
                pytest.fail(f"MINTMARK_REQUIRE names {need}, but {lack}", pytrace=False)
            pytest.skip(lack)


def _required() -> set[str]:
    return {name for name in os.environ.get("MINTMARK_REQUIRE", "").split(",") if name}


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of the real data; for tests marked `data`."""
    return data_folder()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """SQLite is tested as it is used: as a file with a log beside it; memory locks otherwise."""
    if connection.vendor == "sqlite":
        file = tmp_path_factory.mktemp("database") / "tests.sqlite3"
        connection.settings_dict["TEST"]["NAME"] = str(file)


@pytest.fixture(autouse=True)
def _a_test_sees_its_own_evidence(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test that is one transaction folds and seals what it wrote itself.

    On PostgreSQL only transactions that have ended are folded or sealed, and such a test's never does: it is
    rolled back. Those that run as in production are in tests/stories, with processes of their own.
    """
    marker = request.node.get_closest_marker("django_db")
    if marker and not marker.kwargs.get("transaction") and connection.vendor == "postgresql":
        monkeypatch.setattr(settled, "clause", lambda: "TRUE")


@pytest.fixture(scope="session")
def emptied_past_the_triggers() -> Iterator[None]:
    """Let a database that was committed to be emptied, though triggers guard its books.

    What every installation starts with is put back, so that the next test finds it.
    """
    flush = connection.ops.execute_sql_flush

    def past_the_triggers(statements: Sequence[str]) -> None:
        if connection.vendor == "postgresql":
            replica = "SET session_replication_role = "
            flush([replica + "replica", *statements, replica + "DEFAULT"])
        else:
            connection.ensure_connection()
            enabled = sqlite3.SQLITE_DBCONFIG_ENABLE_TRIGGER
            connection.connection.setconfig(enabled, False)
            try:
                flush(statements)
            finally:
                connection.connection.setconfig(enabled, True)
        codices.default()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection.ops, "execute_sql_flush", past_the_triggers)
        yield


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    """Hashing a password is slow on purpose; a cast of eight would take most of a test's time."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
