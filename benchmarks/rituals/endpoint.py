"""An endpoint in a process of its own, as the tests have one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.rituals import model_server


@contextmanager
def started(*, delay_seconds: float) -> Iterator[str]:
    """The base URL of an endpoint that answers after so long, until the block ends."""
    program = f"from benchmarks.rituals import endpoint; endpoint.serve({delay_seconds})"
    command = [sys.executable, "-c", program]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


def serve(delay_seconds: float) -> None:
    """Print where it is, and serve until standard input ends."""
    with model_server.served() as (url, model):
        model.delay_seconds = delay_seconds
        print(url, flush=True)
        sys.stdin.read()
