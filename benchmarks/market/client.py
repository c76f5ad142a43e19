"""A client process of one thread or several: each repeats a piece of work for as long as it is told to, and says how
often it did.

Only the standard library is needed, so that a peer's interpreter can run it too. See `crowds` for the other end.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

type Work = Callable[[], object]


def obey(threads: Sequence[Mapping[str, Work]]) -> None:
    """Take orders from standard input, one JSON object a line, until it closes: which `work` of how many `threads`,
    from when (`start`, of the monotonic clock) and for how many `seconds`. What is told on standard output, for each
    thread, is how often it was `done`, in how many `seconds`, and how often the database was `locked`."""
    with ThreadPoolExecutor(max_workers=len(threads)) as pool:
        print("ready", flush=True)
        for line in sys.stdin:
            order = json.loads(line)
            repeat = partial(_repeat, start=order["start"], seconds=order["seconds"])
            asked = [works[order["work"]] for works in threads[: order["threads"]]]
            told = list(pool.map(repeat, asked))
            print(json.dumps(told), flush=True)


def _repeat(work: Work, *, start: float, seconds: float) -> dict[str, float]:
    time.sleep(max(0.0, start - time.monotonic()))
    done = locked = 0
    begun = time.monotonic()
    while time.monotonic() < start + seconds:
        try:
            work()
            done += 1
        except Exception as failed:
            if "database is locked" not in str(failed):
                raise
            locked += 1
    return {"done": done, "seconds": time.monotonic() - begun, "locked": locked}
