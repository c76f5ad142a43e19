"""Clients of an HTTP server, each a process with one connection that stays open."""

from __future__ import annotations

import json
import multiprocessing
import random
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from http.client import HTTPConnection
from multiprocessing.synchronize import Barrier as BarrierType

from benchmarks.service.installation import Fleet

CLIENTS = 4
BATCH = 100
_EVIDENCE = "/api/v1/evidence"

type Request = tuple[str, str, bytes | None]
type Plan = Callable[[int], list[Request]]

_gate: list[BarrierType] = []


def rate(*, port: int, fleet: Fleet, plan: Plan, headers: Mapping[str, str] | None = None) -> float:
    """Requests a second when every client sends its plan, from the first request to the last answer.

    Each client makes its requests before any begins. A status other than 200 is a RuntimeError.
    """
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        CLIENTS, mp_context=spawn, initializer=_enter, initargs=(spawn.Barrier(CLIENTS),)
    ) as pool:
        send = partial(_send, port, fleet.secret, dict(headers or {}), plan)
        spans = list(pool.map(send, range(CLIENTS)))
    begun = min(begin for begin, _, _ in spans)
    ended = max(end for _, end, _ in spans)
    return sum(count for _, _, count in spans) / (ended - begun)


def evidence(fleet: Fleet, batches: int, client: int) -> list[Request]:
    """Batches of 100 measured outcomes under random keys."""
    rng = random.Random()
    made: list[Request] = []
    for _ in range(batches):
        events = [
            {
                "kind": "outcome",
                "prompt": rng.choice(fleet.prompts),
                "assistant": rng.choice(fleet.assistants),
                "ritual": rng.choice(fleet.rituals),
                "score": rng.randrange(11) / 10,
                "runs": 10,
                "key": uuid.uuid4().hex,
            }
            for _ in range(BATCH)
        ]
        made.append(("POST", _EVIDENCE, json.dumps({"events": events}).encode()))
    return made


def readings(fleet: Fleet, address: str, count: int, client: int) -> list[Request]:
    """Reads of prompts drawn at random, the same ones for every address."""
    rng = random.Random(client)
    return [("GET", address.format(rng.choice(fleet.prompts)), None) for _ in range(count)]


def _enter(gate: BarrierType) -> None:
    _gate.append(gate)


def _send(
    port: int, secret: str, headers: Mapping[str, str], plan: Plan, client: int
) -> tuple[float, float, int]:
    requests = plan(client)
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"} | dict(
        headers
    )
    connection = HTTPConnection("127.0.0.1", port, timeout=120)
    connection.connect()
    _gate[0].wait(timeout=120)
    begun = time.monotonic()
    for method, address, body in requests:
        connection.request(method, address, body=body, headers=headers)
        response = connection.getresponse()
        told = response.read()
        if response.status != 200:
            raise RuntimeError(f"{method} {address} answered {response.status}: {told[:500]!r}")
    return begun, time.monotonic(), len(requests)
