"""The PostgreSQL that the tests bring along: what it keeps, and that it leaves nothing behind."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests import postgres

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 180


@contextmanager
def _run(command: str, *, leftovers: Path) -> Iterator[subprocess.Popen[str]]:
    environment = os.environ | {"TMPDIR": str(leftovers)}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.postgres", "sh", "-c", command],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as child:
        yield child


def _until(true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true() and time.monotonic() < deadline:
        time.sleep(0.05)
    return true()


@pytest.fixture
def leftovers() -> Iterator[Path]:
    """Where a server puts its folder. Not pytest's own: nobody but its owner may enter that."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_what_was_committed_survives_a_killed_server() -> None:
    with postgres.server() as server:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("CREATE TABLE kept (number integer)")
            for number in range(100):
                connection.execute("INSERT INTO kept VALUES (%s)", [number])
            server.kill()
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
        server.start()
        with psycopg.connect(server.url) as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (100,)


def test_a_server_runs_from_a_copy_where_its_user_cannot_reach_the_binaries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(postgres, "_can_run", lambda *_, **__: False)
    with postgres.server() as server, psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_command_gets_a_server_and_its_exit_code_is_handed_on(leftovers: Path) -> None:
    with _run('echo "$MINTMARK_DATABASE_URL"; exit 7', leftovers=leftovers) as child:
        output, _ = child.communicate(timeout=PATIENCE_SECONDS)
    assert output.startswith("postgresql://")
    assert child.returncode == 7
    assert not list(leftovers.iterdir())


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_server_leaves_nothing_behind_however_its_run_ends(
    leftovers: Path, how: signal.Signals
) -> None:
    command = 'echo "$MINTMARK_DATABASE_URL"; exec sleep 30'
    with _run(command, leftovers=leftovers) as child:
        assert child.stdout
        url = child.stdout.readline().strip()
        with psycopg.connect(url):
            child.send_signal(how)
            child.wait(timeout=PATIENCE_SECONDS)
        if how is signal.SIGKILL:
            # The command has outlived its parent.
            os.killpg(child.pid, signal.SIGKILL)
    assert _until(lambda: not list(leftovers.iterdir()))
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
