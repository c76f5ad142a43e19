"""The published rows of a pair of assistant and prompt: one of the trust map, as of the pair's last event, and one for
each task that it was measured on, as of its last event there."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from mintmark.common import evidence_kinds
from mintmark.evidence import log
from mintmark.projection.index import PairIndex
from mintmark.scoring import pair_measures, pair_readout, task_records
from mintmark.scoring.pair_priors import PairPolicy
from mintmark.storage import bulk

from .fold import SliceEffects
from .pair_models import AssistantPromptTaskTrust, AssistantPromptTrustMap

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

COLUMNS = (
    "assistant_id", "prompt_id", "resonance_score", "symbolic_compliance", "dreamframe_volatility", "mutation_bias",
    "memory_fidelity", "runs", "proven_runs", "clause_checks", "recall_checks", "replay_runs",
    "fork_runs", "events", "event",
)  # fmt: skip
TASK_COLUMNS = (
    "assistant_id", "prompt_id", "ritual_id", "trust", "trust_low", "trust_high", "resonance", "logit", "own_trust",
    "own_trust_low", "own_trust_high", "own_resonance", "own_logit", "runs", "proven_runs", "event",
)  # fmt: skip

_OPINION_KINDS = sorted(evidence_kinds.OPINION | evidence_kinds.REWEIGH)
_MEASURED_KINDS = sorted(evidence_kinds.MEASURED)
_REPLAY = int(evidence_kinds.EvidenceKind.REPLAY)
# The value of each measure without any observation: its prior.
_COMPLIANCE_PRIOR, _MEMORY_PRIOR = 0.5, 0.5
# What is stored of a pair, and of each of its tasks, in the order of the arrays that hold it.
_PAIR_NUMBERS = ("events", "replay_runs", "proven_runs", "resonance_score")
_TASK_NUMBERS = TASK_COLUMNS[3:-1]


@dataclass(frozen=True, kw_only=True)
class PublishedPairRows:
    """Rows to publish: of the trust map in the order of `COLUMNS`, of tasks in that of `TASK_COLUMNS`."""

    trust_map: list[tuple[Any, ...]]
    tasks: list[tuple[Any, ...]]


class _ViewRecords:
    """What is told in one view of each pair on each of its tasks."""

    def __init__(self) -> None:
        # By record: trust, low, high and resonance, and the mean on the logit scale; NaN before the first event.
        self.readouts = np.zeros((0, 4))
        self.means = np.zeros(0)
        # By pair: on how many tasks it was measured in this view.
        self.tasks = np.zeros(0, dtype=np.int64)

    def grow(self, *, pairs: int, records: int) -> None:
        """Add so many pairs and records without any event."""
        self.tasks = np.concatenate([self.tasks, np.zeros(pairs, dtype=np.int64)])
        self.readouts = np.concatenate([self.readouts, np.full((records, 4), np.nan)])
        self.means = np.concatenate([self.means, np.full(records, np.nan)])

    def update(
        self,
        policy: PairPolicy,
        *,
        record: Ints,
        pair: Ints,
        after: Floats,
        before: Floats,
        score: Floats,
    ) -> None:
        """Learn from measured events, the NaN rows of `after` left out, and read out each record that they changed."""
        measured = ~np.isnan(after[:, 0])
        if not measured.any():
            return
        record = record[measured]
        states = task_records.update_records(
            record=record,
            pair=pair[measured],
            after=after[measured],
            before=before[measured],
            score=score[measured],
            means=self.means,
            tasks=self.tasks,
        )
        changed, last = _find_last(record)
        readout = pair_readout.compute_readout(policy, states[last])
        self.readouts[changed] = np.stack(
            [readout.trust, readout.low, readout.high, readout.resonance], axis=1
        )

    def take_stored(self, records: Ints, numbers: Floats, pairs: Ints) -> None:
        """Take over stored numbers (n, 5), a row each of these records and their pairs."""
        np.add.at(self.tasks, pairs[~np.isnan(numbers[:, 4])], 1)
        self.readouts[records], self.means[records] = numbers[:, :4], numbers[:, 4]

    def list_columns(self, records: Ints) -> list[NDArray[np.object_]]:
        """Trust, low, high, resonance and mean of these records, as they are stored."""
        numbers = np.column_stack([self.readouts[records], self.means[records]])
        return list(bulk.nan_to_none(numbers.T))


class PairPublisher:
    """Follows the log beside the kernels. With `stored` False it starts from nothing: a replay."""

    def __init__(self, *, policy: PairPolicy, stored: bool) -> None:
        self._policy = policy
        self._stored = stored
        self._index = PairIndex()
        # By position of a pair: events, replay runs, decisive runs, and the last resonance.
        self._pair_numbers = np.zeros((0, len(_PAIR_NUMBERS)))
        # Keys are the position of a pair and a task; by position of such a record its runs and decisive runs.
        self._records = PairIndex()
        self._record_runs = np.zeros((0, 2))
        self._public, self._own = _ViewRecords(), _ViewRecords()

    def build_rows(
        self,
        *,
        log_slice: log.Slice,
        task: Ints,
        effects: SliceEffects,
        sums: Callable[[Ints, Ints], pair_measures.PairSums],
    ) -> PublishedPairRows:
        """The rows after a slice; `task` by event, `sums` gives the alignment sums of pairs."""
        chosen = np.flatnonzero(
            (log_slice.assistant >= 0) & ~np.isin(log_slice.kind, _OPINION_KINDS)
        )
        if not chosen.size:
            return PublishedPairRows(trust_map=[], tasks=[])
        assistant, prompt = log_slice.assistant[chosen], log_slice.prompt[chosen]
        self._load_pairs(assistant, prompt)
        positions = self._index.find(assistant, prompt)
        measured = np.isin(log_slice.kind[chosen], _MEASURED_KINDS) & (task[chosen] >= 0)
        task_rows = self._build_task_rows(
            log_slice, chosen[measured], positions[measured], task, effects
        )
        np.add.at(self._pair_numbers[:, 0], positions, 1.0)
        replayed = log_slice.kind[chosen] == _REPLAY
        np.add.at(self._pair_numbers[:, 1], positions[replayed], log_slice.runs[chosen[replayed]])
        proven = ~np.isnan(effects.pair[chosen, 0])
        np.add.at(self._pair_numbers[:, 2], positions[proven], log_slice.runs[chosen[proven]])
        is_proven = proven & measured
        changed, last = _find_last(positions[is_proven])
        records = self._records.find(changed, task[chosen[is_proven][last]])
        self._pair_numbers[changed, 3] = self._public.readouts[records, 3]
        pairs, last = _find_last(positions)
        i = chosen[last]
        pair_sums = sums(assistant[last], prompt[last])
        alignment_effects = effects.alignment
        numbers = self._pair_numbers[pairs]
        columns = (
            assistant[last],
            prompt[last],
            numbers[:, 3],
            _fill_with_prior(alignment_effects.symbolic_compliance[i], _COMPLIANCE_PRIOR),
            _fill_with_prior(alignment_effects.dreamframe_volatility[i], 0.0),
            _fill_with_prior(alignment_effects.mutation_bias[i], 0.0),
            _fill_with_prior(alignment_effects.memory_fidelity[i], _MEMORY_PRIOR),
            pair_sums.runs,
            numbers[:, 2],
            pair_sums.checked,
            pair_sums.asked,
            numbers[:, 1],
            np.where(pair_sums.forked, pair_sums.runs, 0.0),
            numbers[:, 0].astype(np.int64),
            log_slice.event[i],
        )
        return PublishedPairRows(trust_map=_zip_rows(columns), tasks=task_rows)

    def _build_task_rows(
        self,
        log_slice: log.Slice,
        measured: Ints,
        pairs: Ints,
        task: Ints,
        effects: SliceEffects,
    ) -> list[tuple[Any, ...]]:
        """The rows of tasks after the `measured` events of a slice, whose pairs are at these positions."""
        if not measured.size:
            return []
        self._add_records(*self._records.find_missing(pairs, task[measured]))
        records = self._records.find(pairs, task[measured])
        runs = log_slice.runs[measured]
        proven = ~np.isnan(effects.pair[measured, 0])
        np.add.at(self._record_runs[:, 0], records, runs)
        np.add.at(self._record_runs[:, 1], records[proven], runs[proven])
        for view, after, before in (
            (self._public, effects.pair, effects.before),
            (self._own, effects.own_pair, effects.own_before),
        ):
            view.update(
                self._policy,
                record=records,
                pair=pairs,
                after=after[measured],
                before=before[measured],
                score=log_slice.score[measured],
            )
        changed, last = _find_last(records)
        i = measured[last]
        columns = (
            log_slice.assistant[i],
            log_slice.prompt[i],
            task[i],
            *self._public.list_columns(changed),
            *self._own.list_columns(changed),
            *self._record_runs[changed].T,
            log_slice.event[i],
        )
        return _zip_rows(columns)

    def _add_pairs(self, assistants: Ints, prompts: Ints) -> None:
        self._index.add(assistants, prompts)
        self._pair_numbers = np.concatenate(
            [self._pair_numbers, np.zeros((assistants.size, len(_PAIR_NUMBERS)))]
        )
        for view in (self._public, self._own):
            view.grow(pairs=assistants.size, records=0)

    def _add_records(self, pairs: Ints, tasks: Ints) -> None:
        self._records.add(pairs, tasks)
        self._record_runs = np.concatenate([self._record_runs, np.zeros((pairs.size, 2))])
        for view in (self._public, self._own):
            view.grow(pairs=0, records=pairs.size)

    def _load_pairs(self, assistants: Ints, prompts: Ints) -> None:
        first, second = self._index.find_missing(assistants, prompts)
        if not first.size:
            return
        self._add_pairs(first, second)
        if not self._stored:
            return
        if stored := _read_stored(first.tolist(), second.tolist()):
            self._take_stored(np.array(stored, dtype=np.float64))

    def _take_stored(self, stored: Floats) -> None:
        """Take over stored rows of pairs, one for each of its tasks or one with NaN for none."""
        keys = stored[:, :2].astype(np.int64)
        positions = self._index.find(keys[:, 0], keys[:, 1])
        at = 2 + len(_PAIR_NUMBERS)
        self._pair_numbers[positions] = stored[:, 2:at]
        has_task = ~np.isnan(stored[:, at])
        pairs, tasks = positions[has_task], stored[has_task, at].astype(np.int64)
        self._add_records(*self._records.find_missing(pairs, tasks))
        records, numbers = self._records.find(pairs, tasks), stored[has_task, at + 1 :]
        self._public.take_stored(records, numbers[:, :5], pairs)
        self._own.take_stored(records, numbers[:, 5:10], pairs)
        self._record_runs[records] = numbers[:, 10:]


def _read_stored(assistants: list[int], prompts: list[int]) -> list[tuple[Any, ...]]:
    """What is stored of these pairs, a row for each of their tasks; each pair is searched for by its key."""
    pair_table, task_table = (
        model._meta.db_table for model in (AssistantPromptTrustMap, AssistantPromptTaskTrust)
    )
    columns = ", ".join(
        [
            *(f"m.{name}" for name in ("assistant_id", "prompt_id", *_PAIR_NUMBERS)),
            *(f"t.{name}" for name in ("ritual_id", *_TASK_NUMBERS)),
        ]
    )
    on_pair = f"{pair_table} m ON m.assistant_id = a AND m.prompt_id = p"
    on_task = f"LEFT JOIN {task_table} t ON t.assistant_id = a AND t.prompt_id = p"
    queries: list[tuple[str, list[Any]]]
    if connection.vendor == "postgresql":
        keys = "unnest(%s::bigint[], %s::bigint[]) AS k(a, p)"
        queries = [
            (
                f"SELECT {columns} FROM {keys} JOIN {on_pair} {on_task}",
                [bulk.to_pg_array(assistants), bulk.to_pg_array(prompts)],
            )
        ]
    else:
        # CROSS JOIN fixes the order: each key is searched for.
        queries = [
            (
                f"WITH k(a, p) AS (VALUES {', '.join(['(%s, %s)'] * len(chunk))}) "
                f"SELECT {columns} FROM k CROSS JOIN {on_pair} {on_task}",
                [number for key in chunk for number in key],
            )
            for chunk in itertools.batched(zip(assistants, prompts, strict=True), 5000)
        ]
    stored: list[tuple[Any, ...]] = []
    with connection.cursor() as cursor:
        for sql, values in queries:
            cursor.execute(sql, values)
            stored += cursor.fetchall()
    return stored


def publish(rows: PublishedPairRows, *, now: datetime) -> None:
    """Write rows of the trust map and of tasks, replacing earlier ones; in the caller's transaction."""
    bulk.bulk_upsert(
        AssistantPromptTrustMap,
        (*COLUMNS, "updated_at"),
        [(*row, now) for row in rows.trust_map],
        update_on=("assistant_id", "prompt_id"),
    )
    bulk.bulk_upsert(
        AssistantPromptTaskTrust,
        (*TASK_COLUMNS, "updated_at"),
        [(*row, now) for row in rows.tasks],
        update_on=("assistant_id", "prompt_id", "ritual_id"),
    )


def _zip_rows(columns: tuple[NDArray[Any], ...]) -> list[tuple[Any, ...]]:
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _find_last(keys: Ints) -> tuple[Ints, Ints]:
    """The distinct keys, and where each appears last."""
    distinct, before_last = np.unique(keys[::-1], return_index=True)
    return distinct, keys.size - 1 - before_last


def _fill_with_prior(values: Floats, prior: float) -> Floats:
    return np.where(np.isnan(values), prior, values)
