"""What a run of the tests has at hand, and on which database it runs.

The database is the one that `MINTMARK_DATABASE_URL` names, SQLite when it names none:
`python -m tests.postgres pytest` runs on PostgreSQL. A test that needs what is not here (markers
`browser`, `postgres`, `data`) is skipped and says why; named in `MINTMARK_REQUIRE`
(`browser,postgres,data`), the lack is a failure instead.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from django.db import connection

from mintmark.registry import codices
from mintmark.storage import watermark
from tests import chromium, environment, standing, templates
from tests.factories.cast import Cast
from tests.factories.market_fixture import Stall

hypothesis.settings.register_profile("ci", deadline=None, derandomize=True)
hypothesis.settings.register_profile("nightly", deadline=None, max_examples=5_000, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

_DATA_BESIDE_THE_REPOSITORY = Path(__file__).resolve().parents[2] / "shared" / "data"


def data_folder() -> Path:
    """Where the real data lie, if they do."""
    return Path(os.environ.get("MINTMARK_DATA", _DATA_BESIDE_THE_REPOSITORY))


def _lacks_browser() -> str | None:
    return None if chromium.find() else "no Chromium runs here: `python -m tests.chromium` gets one"


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
def django_db_setup(
    request: pytest.FixtureRequest,
    django_test_environment: None,
    django_db_blocker: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[None]:
    """The database of this process, a copy of the one that was migrated once (pytest-django's own migrates each).

    SQLite is tested as it is used: as a file with a log beside it; memory locks otherwise.
    """
    with django_db_blocker.unblock():
        connection.close()
        before = connection.settings_dict["NAME"]
        if connection.vendor == "sqlite":
            name = str(tmp_path_factory.mktemp("database") / "tests.sqlite3")
            templates.copy_file(Path(name))
        else:
            name = f"test_{os.getpid()}_{time.monotonic_ns()}"
            templates.create_database(name)
        connection.settings_dict["NAME"] = name
    yield
    with django_db_blocker.unblock():
        standing.STACK.shrink(0)
        connection.close()
        connection.settings_dict["NAME"] = before
        if connection.vendor == "postgresql":
            templates.drop_database(name)


def pytest_unconfigure() -> None:
    # Neither the workers of a run nor a pytest that a test starts.
    if environment.IS_FIRST:
        templates.remove()


@pytest.fixture
def built_cast() -> Cast:
    cast: Cast = standing.standing("cast", Cast)
    return cast


@pytest.fixture
def built_stall() -> Stall:
    stall: Stall = standing.standing("stall", Stall)
    return stall


@pytest.fixture
def _what_stands(
    request: pytest.FixtureRequest, django_db_setup: None, django_db_blocker: Any
) -> None:
    """The worlds that a test asks for stand, and no others (`tests.standing`)."""
    with django_db_blocker.unblock():
        standing.STACK.begin(folds=_folds_what_it_wrote(request))
        for name in request.fixturenames:
            if name.startswith(standing.PREFIX):
                request.getfixturevalue(name)
        standing.STACK.end()


@pytest.fixture
def _django_db_helper(_what_stands: None, _django_db_helper: None) -> None:
    """Whatever opens the database to a test comes here (pytest-django): what stands must stand before."""


def _folds_what_it_wrote(request: pytest.FixtureRequest) -> bool:
    marker = request.node.get_closest_marker("django_db")
    asked = "folded_world" in request.fixturenames or (
        marker is not None and not marker.kwargs.get("transaction")
    )
    return asked and connection.vendor == "postgresql"


@pytest.fixture(autouse=True)
def _a_test_sees_its_own_evidence(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test that is one transaction folds and seals what it wrote itself.

    On PostgreSQL only transactions that have ended are folded or sealed, and such a test's never does: it is
    rolled back. Those that run as in production are in tests/stories, with processes of their own.
    """
    if _folds_what_it_wrote(request):
        monkeypatch.setattr(watermark, "get_visible_sql", lambda: "TRUE")


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
        codices.get_default()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection.ops, "execute_sql_flush", past_the_triggers)
        yield


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    """Hashing a password is slow on purpose; a cast of eight would take most of a test's time."""
    settings.PASSWORD_HASHERS = standing.PASSWORD_HASHERS
