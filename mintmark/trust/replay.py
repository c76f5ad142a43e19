"""Replay: fold the log again from its first event, to compare with what is stored or to take its place."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection, models, transaction

from mintmark.evidence import log
from mintmark.reputation import standings, state
from mintmark.reputation.models import (
    EventEffect,
    FoldState,
    LiveRating,
    Policy,
    PromptReputationScore,
    Standing,
)

from . import maps, projector
from .models import AssistantPromptTrustMap, Cursor
from .run import Run

SLICE = 20_000
_SHOWN = 20

Progress = Callable[[int], None]


@dataclass(kw_only=True)
class Comparison:
    """What a replay found: rows compared in each table, and the first differences (table, row, stored, replayed)."""

    policy: int
    events: int = 0
    compared: dict[str, int] = field(default_factory=dict)
    different: int = 0
    differences: list[tuple[str, str, str, str]] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        return self.different == 0

    def note(self, table: str, row: object, stored: object, replayed: object) -> None:
        """Count one difference, and keep the first few."""
        self.different += 1
        if len(self.differences) < _SHOWN:
            self.differences.append((table, str(row), str(stored)[:200], str(replayed)[:200]))


def check(*, progress: Progress = lambda _: None) -> Comparison:
    """Fold the log anew in memory, up to where the projections stand, and compare every stored row bit for bit."""
    with transaction.atomic():
        _one_picture()
        cursor = projector.cursor()
        comparison = Comparison(policy=cursor.policy.version)
        run = Run(policy=cursor.policy, stored=False)
        scores: dict[tuple[int, int], tuple[Any, ...]] = {}
        standing: dict[int, tuple[Any, ...]] = {}
        live: dict[tuple[int, int], tuple[Any, ...]] = {}
        trust_map: dict[tuple[int, int], tuple[Any, ...]] = {}
        end = log.Position(xid=cursor.xid, event=cursor.event)
        for part in log.slices(at_most=SLICE, upto=end):
            step = run.step(part)
            comparison.events += len(part)
            _compare_effects(comparison, part, step.reputation.effects)
            scores.update({(row[0], row[9]): row for row in step.reputation.scores})
            standing.update({row[0]: row for row in step.reputation.standings})
            live.update({(row[0], row[1]): row for row in step.reputation.live_ratings})
            trust_map.update({(row[0], row[1]): row for row in step.trust_map})
            progress(comparison.events)
        _compare(
            comparison,
            PromptReputationScore.objects.filter(policy=cursor.policy),
            standings.SCORE,
            scores,
            key=lambda row: (row[0], row[9]),
        )
        _compare(
            comparison, Standing.objects.all(), standings.STANDING, standing, key=lambda r: r[0]
        )
        _compare(
            comparison,
            LiveRating.objects.all(),
            standings.LIVE_RATING,
            live,
            key=lambda row: (row[0], row[1]),
        )
        _compare(
            comparison,
            AssistantPromptTrustMap.objects.all(),
            maps.COLUMNS,
            trust_map,
            key=lambda row: (row[0], row[1]),
        )
        packed = [row for block in run.fold.blocks for row in block.packed()]
        _compare(
            comparison,
            FoldState.objects.all(),
            ("block", "first", "second", "numbers"),
            {row[:3]: row for row in packed},
            key=lambda row: (row[0], row[1], row[2]),
        )
        if comparison.events != cursor.folded:
            comparison.note("cursor", "folded", cursor.folded, comparison.events)
        return comparison


def rebuild(*, policy: Policy, now: datetime, progress: Progress = lambda _: None) -> int:
    """Take the projections down and fold the whole settled log under `policy`; returns how many events that were.

    One transaction: readers see the old numbers until the new ones are complete. Scores already published under
    another policy stay in the history.
    """
    with transaction.atomic():
        projector.lock()
        _truncate()
        run = Run(policy=policy, stored=False)
        folded = 0
        last = log.Position()
        published = set(
            PromptReputationScore.objects.filter(policy=policy).values_list("prompt_id", "event_id")
        )
        trust_map: dict[tuple[int, int], tuple[Any, ...]] = {}
        for part in log.slices(at_most=SLICE):
            step = run.step(part)
            new = [row for row in step.reputation.scores if (row[0], row[9]) not in published]
            standings.publish(
                standings.Published(
                    effects=step.reputation.effects,
                    scores=new,
                    standings=step.reputation.standings,
                    live_ratings=step.reputation.live_ratings,
                ),
                now=now,
            )
            trust_map.update({(row[0], row[1]): row for row in step.trust_map})
            folded, last = folded + len(part), part.end
            progress(folded)
        maps.publish(list(trust_map.values()), now=now)
        for block in run.fold.blocks:
            state.save(block.packed())
        projector.cursor()
        Cursor.objects.filter(pk=1).update(
            policy=policy, xid=last.xid, event=last.event, folded=folded, folded_at=now
        )
        return folded


def _one_picture() -> None:
    """Let the whole comparison see the database as of one moment."""
    if connection.vendor == "postgresql":
        with connection.cursor() as database:
            database.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")


def _truncate() -> None:
    """Empty the projections; what is append-only stays."""
    with connection.cursor() as database:
        for model in (EventEffect, Standing, LiveRating, FoldState, AssistantPromptTrustMap):
            database.execute(f'DELETE FROM "{model._meta.db_table}"')


def _compare_effects(
    comparison: Comparison, part: log.Slice, effects: list[tuple[Any, ...]]
) -> None:
    stored = {
        row[0]: row
        for start in range(0, len(part), 5000)
        for row in EventEffect.objects.filter(
            pk__in=part.event[start : start + 5000].tolist()
        ).values_list(*standings.EFFECT)
    }
    comparison.compared["reputation_eventeffect"] = comparison.compared.get(
        "reputation_eventeffect", 0
    ) + len(effects)
    for row in effects:
        if stored.get(row[0]) != row:
            comparison.note("reputation_eventeffect", row[0], stored.get(row[0]), row)


def _compare(
    comparison: Comparison,
    rows: models.QuerySet[Any],
    columns: tuple[str, ...],
    replayed: dict[Any, tuple[Any, ...]],
    *,
    key: Callable[[tuple[Any, ...]], Any],
) -> None:
    table = rows.model._meta.db_table
    count = 0
    for values in rows.values_list(*columns).iterator(chunk_size=5000):
        stored = tuple(bytes(v) if isinstance(v, memoryview | bytes) else v for v in values)
        count += 1
        found = replayed.pop(key(stored), None)
        if found is None or _plain(found) != _plain(stored):
            comparison.note(table, key(stored), stored, found)
    for left in replayed:
        comparison.note(table, left, None, replayed[left])
    comparison.compared[table] = count


def _plain(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row with its JSON as values: stored it comes parsed, replayed it is text."""
    return tuple(_parsed(value) for value in row)


def _parsed(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in "[{":
        return json.loads(value)
    return value
