"""Replay: fold the log again from its first event, to compare with the stored projections or to replace them."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db import connection, models, transaction

from mintmark.evidence import log
from mintmark.projection import published_scores, state_store
from mintmark.projection.prompt_models import (
    ActiveRating,
    CurrentPromptScore,
    EventEffect,
    Policy,
    ProjectionState,
    PromptReputationScore,
)
from mintmark.scoring import pair_priors
from mintmark.scoring.pair_priors import PairPolicy
from mintmark.scoring.reputation_constants import FORMULA, ReputationPolicy

from . import projector, published_pairs
from .pair_models import AssistantPromptTaskTrust, AssistantPromptTrustMap, ProjectionCheckpoint
from .projection_pass import ProjectionPass

SLICE_SIZE = 20_000
_MAX_DIFFERENCES = 20

ReplayProgress = Callable[[int], None]


@dataclass(kw_only=True)
class ReplayDiff:
    """The result of a replay: rows compared in each table, and the first differences (table, row, stored, replayed)."""

    policy: int
    events: int = 0
    compared: dict[str, int] = field(default_factory=dict)
    different: int = 0
    differences: list[tuple[str, str, str, str]] = field(default_factory=list)

    @property
    def is_equal(self) -> bool:
        return self.different == 0

    def add_difference(self, table: str, row: object, stored: object, replayed: object) -> None:
        """Count one difference, and keep the first few."""
        self.different += 1
        if len(self.differences) < _MAX_DIFFERENCES:
            self.differences.append((table, str(row), str(stored)[:200], str(replayed)[:200]))


def check(*, progress: ReplayProgress = lambda _: None) -> ReplayDiff:
    """Fold the log again in memory, up to the position of the projections, and compare every stored row bit for bit."""
    with transaction.atomic():
        _use_snapshot_isolation()
        checkpoint = projector.get_checkpoint()
        diff = ReplayDiff(policy=checkpoint.policy.version)
        projection_pass = ProjectionPass(policy=checkpoint.policy, stored=False)
        scores: dict[tuple[int, int], tuple[Any, ...]] = {}
        current_scores: dict[int, tuple[Any, ...]] = {}
        active_ratings: dict[tuple[int, int], tuple[Any, ...]] = {}
        trust_map: dict[tuple[int, int], tuple[Any, ...]] = {}
        tasks: dict[tuple[int, int, int], tuple[Any, ...]] = {}
        end = log.LogPosition(xid=checkpoint.xid, event=checkpoint.event)
        for log_slice in log.iter_slices(at_most=SLICE_SIZE, up_to=end):
            slice_result = projection_pass.process_slice(log_slice)
            diff.events += len(log_slice)
            _compare_effects(diff, log_slice, slice_result.reputation.effects)
            scores.update({(row[0], row[9]): row for row in slice_result.reputation.scores})
            current_scores.update({row[0]: row for row in slice_result.reputation.current_scores})
            active_ratings.update(
                {(row[0], row[1]): row for row in slice_result.reputation.active_ratings}
            )
            trust_map.update({(row[0], row[1]): row for row in slice_result.pairs.trust_map})
            tasks.update({(row[0], row[1], row[2]): row for row in slice_result.pairs.tasks})
            progress(diff.events)
        _compare(
            diff,
            PromptReputationScore.objects.filter(policy=checkpoint.policy),
            published_scores.SCORE_COLUMNS,
            scores,
            key=lambda row: (row[0], row[9]),
        )
        _compare(
            diff,
            CurrentPromptScore.objects.all(),
            published_scores.CURRENT_SCORE_COLUMNS,
            current_scores,
            key=lambda r: r[0],
        )
        _compare(
            diff,
            ActiveRating.objects.all(),
            published_scores.ACTIVE_RATING_COLUMNS,
            active_ratings,
            key=lambda row: (row[0], row[1]),
        )
        _compare(
            diff,
            AssistantPromptTrustMap.objects.all(),
            published_pairs.COLUMNS,
            trust_map,
            key=lambda row: (row[0], row[1]),
        )
        _compare(
            diff,
            AssistantPromptTaskTrust.objects.all(),
            published_pairs.TASK_COLUMNS,
            tasks,
            key=lambda row: (row[0], row[1], row[2]),
        )
        serialized = [
            row for group in projection_pass.fold.groups for row in group.serialize_changed()
        ]
        _compare(
            diff,
            ProjectionState.objects.all(),
            ("block", "first", "second", "numbers"),
            {row[:3]: row for row in serialized},
            key=lambda row: (row[0], row[1], row[2]),
        )
        if diff.events != checkpoint.folded:
            diff.add_difference("cursor", "folded", checkpoint.folded, diff.events)
        return diff


def rebuild(*, policy: Policy, now: datetime, progress: ReplayProgress = lambda _: None) -> int:
    """Delete the projections and fold the whole settled log under `policy`; returns how many events that were.

    One transaction: readers see the old numbers until the new ones are complete. Scores already published under another
    policy stay in the history.
    """
    with transaction.atomic():
        projector.acquire_lock()
        _truncate()
        projection_pass = ProjectionPass(policy=policy, stored=False)
        folded = 0
        last = log.LogPosition()
        published_keys = set(
            PromptReputationScore.objects.filter(policy=policy).values_list("prompt_id", "event_id")
        )
        trust_map: dict[tuple[int, int], tuple[Any, ...]] = {}
        tasks: dict[tuple[int, int, int], tuple[Any, ...]] = {}
        for log_slice in log.iter_slices(at_most=SLICE_SIZE):
            slice_result = projection_pass.process_slice(log_slice)
            new = [
                row
                for row in slice_result.reputation.scores
                if (row[0], row[9]) not in published_keys
            ]
            published_scores.publish(
                published_scores.ScoreRows(
                    effects=slice_result.reputation.effects,
                    scores=new,
                    current_scores=slice_result.reputation.current_scores,
                    active_ratings=slice_result.reputation.active_ratings,
                ),
                now=now,
            )
            trust_map.update({(row[0], row[1]): row for row in slice_result.pairs.trust_map})
            tasks.update({(row[0], row[1], row[2]): row for row in slice_result.pairs.tasks})
            folded, last = folded + len(log_slice), log_slice.end
            progress(folded)
        published_pairs.publish(
            published_pairs.PublishedPairRows(
                trust_map=list(trust_map.values()), tasks=list(tasks.values())
            ),
            now=now,
        )
        for group in projection_pass.fold.groups:
            state_store.save(group.serialize_changed())
        projector.get_checkpoint()
        ProjectionCheckpoint.objects.filter(pk=1).update(
            policy=policy, xid=last.xid, event=last.event, folded=folded, folded_at=now
        )
        return folded


def upgrade_formula(
    *, now: datetime, progress: ReplayProgress = lambda _: None
) -> tuple[Policy, Policy] | None:
    """Fold the log again where the stored projections were computed by an older formula of prompt or pair trust.

    The constants stay, in a policy of their own, so that scores before and after can be compared. Returns both
    policies; None where nothing was to be done.
    """
    with transaction.atomic():
        before = projector.get_checkpoint().policy
        constants = ReputationPolicy.from_json(before.reputation)
        pairs = PairPolicy.from_json(before.pairs)
        if constants.formula >= FORMULA and pairs.formula >= pair_priors.FORMULA:
            return None
        after = Policy.objects.create(
            pairs=replace(pairs, formula=pair_priors.FORMULA).to_json(),
            reputation=replace(constants, formula=FORMULA).to_json(),
            learned_from=before.learned_from,
            note=f"the constants of policy {before.version} under formulas {FORMULA} of prompts and "
            f"{pair_priors.FORMULA} of pairs",
            created_at=now,
        )
        rebuild(policy=after, now=now, progress=progress)
    return before, after


def _use_snapshot_isolation() -> None:
    """Make the whole comparison see the database as of one moment."""
    if connection.vendor == "postgresql":
        with connection.cursor() as db_cursor:
            db_cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")


def _truncate() -> None:
    """Empty the projections; append-only tables stay."""
    with connection.cursor() as db_cursor:
        for model in (
            EventEffect,
            CurrentPromptScore,
            ActiveRating,
            ProjectionState,
            AssistantPromptTaskTrust,
            AssistantPromptTrustMap,
        ):
            db_cursor.execute(f'DELETE FROM "{model._meta.db_table}"')


def _compare_effects(
    diff: ReplayDiff, log_slice: log.Slice, effects: list[tuple[Any, ...]]
) -> None:
    stored = {
        row[0]: row
        for start in range(0, len(log_slice), 5000)
        for row in EventEffect.objects.filter(
            pk__in=log_slice.event[start : start + 5000].tolist()
        ).values_list(*published_scores.EFFECT_COLUMNS)
    }
    diff.compared["reputation_eventeffect"] = diff.compared.get("reputation_eventeffect", 0) + len(
        effects
    )
    for row in effects:
        if stored.get(row[0]) != row:
            diff.add_difference("reputation_eventeffect", row[0], stored.get(row[0]), row)


def _compare(
    diff: ReplayDiff,
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
        replayed_row = replayed.pop(key(stored), None)
        if replayed_row is None or _normalise_row(replayed_row) != _normalise_row(stored):
            diff.add_difference(table, key(stored), stored, replayed_row)
    for unmatched_key in replayed:
        diff.add_difference(table, unmatched_key, None, replayed[unmatched_key])
    diff.compared[table] = count


def _normalise_row(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row with its JSON as values: stored JSON comes parsed, replayed JSON is text."""
    return tuple(_parse_json(value) for value in row)


def _parse_json(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in "[{":
        return json.loads(value)
    return value
