"""MLflow's server and its client, each with an interpreter of its own; and how seconds are told."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import click

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
    # Its tables take a while, and it answers nobody before they are there.
    told("MLflow makes its tables")
    subprocess.run(
        [python, "-m", "mlflow", "db", "upgrade", store], cwd=home, capture_output=True, check=True
    )
    told("MLflow's server starts")
    process = subprocess.Popen(
        [*serve, "--host", "127.0.0.1", "--port", str(port)],
        cwd=home,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    measure = [python, str(_CALLS), what, f"http://127.0.0.1:{port}", str(calls)]
    try:
        _await_answer(port=port, process=process)
        with subprocess.Popen(
            measure,
            cwd=home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as caller:
            yield partial(_round, caller)
            assert caller.stdin is not None
            caller.stdin.close()
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _round(caller: subprocess.Popen[str]) -> Seconds:
    """Seconds of another round, from the one process that calls MLflow. What else it prints is passed by."""
    assert caller.stdin is not None
    assert caller.stdout is not None
    caller.stdin.write("\n")
    caller.stdin.flush()
    for line in caller.stdout:
        if line.startswith("{"):
            found: Seconds = json.loads(line)
            return found
    raise RuntimeError(f"MLflow's caller ended with {caller.wait()}")


def _await_answer(*, port: int, process: subprocess.Popen[bytes]) -> None:
    """As `installations.await_answer`, for a server that needs minutes on a busy machine."""
    for left in reversed(range(_MINUTES)):
        try:
            return installations.await_answer(port=port, process=process)
        except AssertionError:
            if process.poll() is not None or not left:
                raise


def told(step: str) -> None:
    """What is being done, on standard error."""
    click.echo(f"  {step}", err=True)


def middle(rounds: Sequence[Sequence[float]]) -> str:
    """The median of every call, and from which to which those of the rounds go, in the unit that suits each."""
    medians = [statistics.median(one) for one in rounds]
    every = statistics.median([seconds for one in rounds for seconds in one])
    return f"{spelled(every)} ({spelled(min(medians))} to {spelled(max(medians))})"


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
