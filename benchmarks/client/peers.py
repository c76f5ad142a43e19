"""MLflow's server and its client, each with an interpreter of its own; and how seconds are told."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests import installations

_CALLS = Path(__file__).parent / "mlflow_calls.py"

_MINUTES = 5

type Seconds = dict[str, list[float]]
type Measure = Callable[[], Seconds]


@contextmanager
def mlflow(*, python: str | None, home: Path, what: str, calls: int) -> Iterator[Measure | None]:
    """While MLflow's tracking server runs (two processes, SQLite): what measures its client in a process of its own.
    None without an interpreter that has mlflow."""
    if python is None:
        yield None
        return
    port = installations.free_port()
    store = f"sqlite:///{home / 'mlflow.sqlite3'}"
    serve = [python, "-m", "mlflow", "server", "--backend-store-uri", store, "--workers", "2"]
    # It needs a minute for its tables before it answers anybody.
    subprocess.run(
        [python, "-m", "mlflow", "db", "upgrade", store], cwd=home, capture_output=True, check=True
    )
    process = subprocess.Popen(
        [*serve, "--host", "127.0.0.1", "--port", str(port)],
        cwd=home,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    measure = [python, str(_CALLS), what, f"http://127.0.0.1:{port}", str(calls)]

    def measured() -> Seconds:
        done = subprocess.run(measure, cwd=home, capture_output=True, text=True, check=True)
        found: Seconds = json.loads(done.stdout.splitlines()[-1])
        return found

    try:
        _await_answer(port=port, process=process)
        yield measured
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _await_answer(*, port: int, process: subprocess.Popen[bytes]) -> None:
    """As `installations.await_answer`, for a server that needs minutes on a busy machine."""
    for left in reversed(range(_MINUTES)):
        try:
            return installations.await_answer(port=port, process=process)
        except AssertionError:
            if process.poll() is not None or not left:
                raise


def middle(seconds: Sequence[float]) -> str:
    """The median, in the unit that suits it."""
    return spelled(statistics.median(seconds))


def last(seconds: Sequence[float]) -> str:
    """What one call in a hundred takes longer than."""
    return spelled(sorted(seconds)[int(len(seconds) * 0.99)])


def spelled(seconds: float) -> str:
    return f"{1e3 * seconds:,.1f} ms" if seconds >= 1e-3 else f"{1e6 * seconds:,.1f} µs"


def ratios(mine: Sequence[Seconds], my: str, theirs: Sequence[Seconds], their: str) -> str:
    """How many times as long theirs takes, by the medians of each round: the median of rounds, and each."""
    found = [
        statistics.median(peer[their]) / statistics.median(own[my])
        for own, peer in zip(mine, theirs, strict=True)
    ]
    return f"{statistics.median(found):,.1f} ({', '.join(f'{one:,.1f}' for one in sorted(found))})"
