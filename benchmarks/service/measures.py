"""What is measured inside a process of a house, with Django set up for it."""

from __future__ import annotations

import dataclasses
import random
import resource
import statistics
import time
from typing import Any

from django.conf import settings
from django.test import Client

from mintmark.accounts.models import Principal
from mintmark.common.evidence_kinds import EvidenceKind
from mintmark.deployments import ranking
from mintmark.evidence import log
from mintmark.projection import projector
from mintmark.projection.projection_pass import ProjectionPass
from mintmark.ratelimit import counters
from mintmark.ratelimit.counters import QuotaSubject as Kinds
from mintmark.registry.models import Assistant, Prompt, Ritual
from mintmark.trust.tracker import AssistantTrustTracker

from . import fleet_data
from .installation import Fleet

_REPLAY_SLICE = 20_000


def fold_all() -> dict[str, float]:
    """Fold what is not folded yet, slice by slice as the worker does: events, seconds, and those of the last slice."""
    _compile()
    events, seconds, last = 0, 0.0, 0.0
    while True:
        begun = time.perf_counter()
        done = projector.project_pending(now=fleet_data.START, at_most=projector.SLICE_SIZE)
        elapsed = time.perf_counter() - begun
        if done:
            events, seconds = events + done, seconds + elapsed
        if done >= projector.SLICE_SIZE:
            last = elapsed / done
        if done < projector.SLICE_SIZE:
            break
    return {
        "events": events,
        "seconds": seconds,
        "last_slice_us": 1e6 * last,
    }


def with_and_without_quotas(*, path: str, secret: str, requests: int) -> tuple[float, float]:
    """Microseconds of the processor that an answer takes without quotas and with them, the medians; in turn."""
    client, headers = Client(SERVER_NAME="localhost"), {"Authorization": f"Bearer {secret}"}
    spent: tuple[list[float], list[float]] = ([], [])
    for n in range(requests + 100):
        for which, quota in enumerate((0, 1_000_000)):
            settings.API_PER_MINUTE = settings.API_ANONYMOUS_PER_MINUTE = quota
            begun = time.process_time()
            answer = client.get(path, headers=headers)
            elapsed = time.process_time() - begun
            if answer.status_code != 200 or answer.has_header("RateLimit") != bool(quota):
                raise RuntimeError(f"{path} answered {answer.status_code}")
            if n >= 100:
                spent[which].append(elapsed)
    without, own = (1e6 * statistics.median(each) for each in spent)
    return without, own


def taking(*, requests: int) -> float:
    """Microseconds to know a credential and to take one request from its bucket, the mean."""
    begun = time.perf_counter()
    for _ in range(requests):
        counters.get_shared_quotas().is_recently_seen("mm_00000000_secret")
        counters.get_shared_quotas().consume(
            Kinds.CREDENTIAL, "mm_00000000_secret", quota=1_000_000
        )
    return 1e6 * (time.perf_counter() - begun) / requests


def ranking_with_and_without_gates(*, fleet: Fleet, orders: int, limit: int) -> tuple[float, float]:
    """Microseconds of the processor that a ranking takes without the assistant's gates and with them, medians; in
    turn, each pair of another assistant and another task."""
    usable = Prompt.objects.filter(namespace="bench")
    now = fleet_data.START + fleet_data.SPAN
    spent: tuple[list[float], list[float]] = ([], [])
    for n in range(orders + 10):
        asked: dict[str, Any] = {
            "assistant": Assistant.objects.get(pk=fleet.assistants[n % len(fleet.assistants)]),
            "tasks": [Ritual.objects.get(pk=fleet.rituals[n % len(fleet.rituals)])],
            "usable": usable,
            "now": now,
            "order": "trust_low",
            "limit": limit,
        }
        for which, ranked in enumerate(
            (AssistantTrustTracker().rank_prompts, ranking.rank_for_task)
        ):
            begun = time.process_time()
            found = ranked(**asked)
            elapsed = time.process_time() - begun
            if len(found.rows) != limit:
                raise RuntimeError(f"{len(found.rows)} prompts were ranked")
            if n >= 10:
                spent[which].append(elapsed)
    without, own = (1e6 * statistics.median(each) for each in spent)
    return without, own


def single_events(*, fleet: Fleet, count: int = 100) -> float:
    """Milliseconds to fold one event that was recorded alone, the mean of `count`; nothing else is unfolded."""
    actor = Principal.objects.get(pk=fleet.operator)
    made = fleet_data.entries(fleet=fleet, rng=random.Random(), step=fleet_data.SPAN / 10_000_000)
    total = 0.0
    for n in range(count + 10):
        entry = next(e for e in made if e.kind != EvidenceKind.RATING)
        entry = dataclasses.replace(entry, occurred_at=fleet_data.START + fleet_data.SPAN)
        log.append(
            actor=actor, source="bench", entries=[entry], now=fleet_data.START + fleet_data.SPAN
        )
        begun = time.perf_counter()
        done = projector.project_pending(now=fleet_data.START)
        if done != 1:
            raise RuntimeError(f"{done} events were folded where one was recorded")
        if n >= 10:
            total += time.perf_counter() - begun
    return 1e3 * total / count


def replay() -> dict[str, float]:
    """The whole log from its first event, in memory: seconds to read it, for the kernels, and for what they publish."""
    _compile()
    run = ProjectionPass(policy=projector.get_checkpoint().policy, stored=False)
    reading = 0.0
    events = 0
    parts = log.iter_slices(at_most=_REPLAY_SLICE)
    begun = time.perf_counter()
    while True:
        started = time.perf_counter()
        part = next(parts, None)
        reading += time.perf_counter() - started
        if part is None:
            break
        run.process_slice(part)
        events += len(part)
    seconds = time.perf_counter() - begun
    return {
        "events": events,
        "seconds": seconds,
        "reading_seconds": reading,
        "peak_mb": _peak_mb(),
    }


def _compile() -> None:
    """Have the kernels compiled, so that no measure holds it: fold the first events into nothing."""
    part = log.read_slice(after=log.LogPosition(), at_most=200)
    if part is not None:
        ProjectionPass(policy=projector.get_checkpoint().policy, stored=False).process_slice(part)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
