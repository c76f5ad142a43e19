"""Crowds of client processes that stay, each with its connections open, and are told what to do for how long."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

MOST = 16
"""Clients at most in a crowd; a bazaar has buyers for two such crowds."""
# Enough for every client to have read its order before it begins.
_NOTICE_SECONDS = 0.1
_WARM_UP_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class Rate:
    """How often a second some clients together did their work, and how often they found the database locked."""

    a_second: float
    locked: int


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """Processes of so many `threads` each that can do the same works."""

    processes: Sequence[subprocess.Popen[str]]
    threads: int

    def rate(self, work: str, *, clients: int, seconds: float) -> Rate:
        """Have so many clients work at once, in as few processes as hold them."""
        threads = min(clients, self.threads)
        used = self.processes[: clients // threads]
        order = {
            "work": work,
            "threads": threads,
            "start": time.monotonic() + _NOTICE_SECONDS,
            "seconds": seconds,
        }
        for process in used:
            assert process.stdin is not None
            process.stdin.write(json.dumps(order) + "\n")
            process.stdin.flush()
        told = [each for process in used for each in json.loads(_line(process))]
        return Rate(
            a_second=sum(each["done"] / each["seconds"] for each in told),
            locked=sum(each["locked"] for each in told),
        )

    def warm_up(self, works: Sequence[str]) -> None:
        """Have all of them do each of these works for a moment."""
        for work in works:
            clients = len(self.processes) * self.threads
            self.rate(work, clients=clients, seconds=_WARM_UP_SECONDS)


@contextmanager
def gathered(
    command: Sequence[str],
    *,
    processes: int,
    environment: Mapping[str, str],
    threads: int = 1,
    first: int = 0,
) -> Iterator[Crowd]:
    """Processes of a command that ends in `client.obey`; its last arguments are the number of its first client (the
    crowd's own is `first`) and of its threads."""
    with ExitStack() as stack:
        started = [
            stack.enter_context(
                subprocess.Popen(
                    [*command, str(first + n * threads), str(threads)],
                    env=environment,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for n in range(processes)
        ]
        for process in started:
            _line(process)
        yield Crowd(processes=started, threads=threads)


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError("A client ended before its work; what it said is above.")
    return line
