"""The kernels' state as rows of a table: load what a slice of the log touches, store what it changed.

A kernel's group of arrays (all of the same length) becomes one row of `ProjectionState` per element: the float64
numbers of all its arrays one after another. Doubles survive storage bit for bit.
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from typing import Any

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from mintmark.storage import bulk

from .index import PairIndex
from .prompt_models import ProjectionState

Ints = NDArray[np.int64]
Arrays = Sequence[NDArray[Any]]


class StateGroup(IntEnum):
    """Which group of which kernel; the numbers are stored in the database."""

    PAIR_FLEET = 1
    PAIR_ASSISTANT = 2
    PAIR_RITUAL = 3
    PAIR_ASSISTANT_RITUAL = 4
    PAIR_PROMPT = 5
    PAIR_PAIR = 6
    PAIR_CENTRE = 7
    # The pair model once more, as each team sees it: with its own claims in full.
    OWN_FLEET = 11
    OWN_ASSISTANT = 12
    OWN_RITUAL = 13
    OWN_ASSISTANT_RITUAL = 14
    OWN_PROMPT = 15
    OWN_PAIR = 16
    OWN_CENTRE = 17
    RECORD_FLEET = 20
    RECORD_RITUAL = 21
    RECORD_ASSISTANT_RITUAL = 22
    RECORD_PROMPT = 23
    RECORD_PAIR = 24
    RECORD_RATER = 25
    RECORD_PROMPT_COHORT = 26
    RECORD_PROMPT_RATER = 27
    RECORD_CLAIMED_PAIR = 28
    RECORD_PROMPT_TEAM = 29
    RECORD_TEAM = 30
    RECORD_TEAM_RITUAL = 31
    ALIGNMENT_PAIR = 40
    ALIGNMENT_PROMPT = 41


class StateRows:
    """The rows of one block that are in memory: (first, second) → a position in the arrays.

    `make(n)` gives the group's arrays for n untouched rows. With `stored` False nothing is read from the database: a
    replay from the first event.
    """

    def __init__(
        self, group: StateGroup, build_arrays: Callable[[int], Arrays], *, stored: bool
    ) -> None:
        self.group = group
        self.index = PairIndex()
        self._build_arrays = build_arrays
        self.stored = stored
        self._arrays = tuple(np.ascontiguousarray(a) for a in build_arrays(16))
        self._changed = np.zeros(16, dtype=np.bool_)

    def __len__(self) -> int:
        return len(self.index)

    @property
    def arrays(self) -> tuple[NDArray[Any], ...]:
        """The group's arrays over the rows in memory; writing to them changes the rows."""
        return tuple(array[: len(self.index)] for array in self._arrays)

    def locate(self, first: Ints, second: Ints | None = None, *, changes: bool = True) -> Ints:
        """Positions of these rows, loaded or made as needed; −1 where `first` (or `second`) is below 0."""
        second = np.zeros_like(first) if second is None else second
        valid = (first >= 0) & (second >= 0)
        everywhere = bool(valid.all())
        if not everywhere:
            first, second = first[valid], second[valid]
        at = self.index.find(first, second)
        if (at < 0).any():
            load([(self, first, second)])
            at = self.index.find(first, second)
        if changes:
            self._changed[at] = True
        if everywhere:
            return at
        positions = np.full(valid.shape, -1, dtype=np.int64)
        positions[valid] = at
        return positions

    def mark_changed(self, positions: Ints) -> None:
        """Have the rows at these positions stored."""
        self._changed[positions[positions >= 0]] = True

    def serialize_changed(self) -> list[tuple[int, int, int, bytes]]:
        """The changed rows as they are stored: block, first, second, numbers."""
        changed = np.flatnonzero(self._changed[: len(self)])
        if not changed.size:
            return []
        numbers = self._stack_rows(changed)
        raw, width = numbers.tobytes(), 8 * numbers.shape[1]
        return [
            (int(self.group), first, second, raw[start : start + width])
            for first, second, start in zip(
                self.index.first[changed].tolist(),
                self.index.second[changed].tolist(),
                range(0, len(raw), width),
                strict=True,
            )
        ]

    def add_rows(self, first: Ints, second: Ints, stored: Mapping[tuple[int, int], bytes]) -> None:
        """Add these rows, as they were stored or else untouched."""
        start = len(self)
        self._grow(start + first.size)
        self.index.add(first, second)
        stored_rows = [
            (at, stored[key])
            for at, key in enumerate(zip(first.tolist(), second.tolist(), strict=True), start)
            if key in stored
        ]
        if stored_rows:
            numbers = np.frombuffer(b"".join(blob for _, blob in stored_rows), dtype="<f8")
            at = np.array([at for at, _ in stored_rows], dtype=np.int64)
            self._unpack(at, numbers.reshape(len(stored_rows), -1))

    def _grow(self, needed: int) -> None:
        capacity = len(self._changed)
        if needed <= capacity:
            return
        size = max(needed, 2 * capacity)
        larger = tuple(np.ascontiguousarray(a) for a in self._build_arrays(size))
        for old, new in zip(self._arrays, larger, strict=True):
            new[:capacity] = old
        self._arrays = larger
        self._changed = np.concatenate([self._changed, np.zeros(size - capacity, dtype=np.bool_)])

    def _stack_rows(self, at: Ints) -> NDArray[np.float64]:
        """The rows at these positions as they are stored."""
        return stack_columns([array[at] for array in self._arrays])

    def _unpack(self, at: Ints, numbers: NDArray[np.float64]) -> None:
        """Take over stored rows (n, width) at these positions."""
        start = 0
        for array in self._arrays:
            width = math.prod(array.shape[1:])
            array[at] = numbers[:, start : start + width].reshape(at.shape + array.shape[1:])
            start += width


def load(requests: Sequence[tuple[StateRows, Ints, Ints | None]]) -> None:
    """Load rows (first, second) of several blocks, with one query for all of them."""
    missing = [
        (state_rows, *_find_missing(state_rows, first, second))
        for state_rows, first, second in requests
    ]
    keys = [
        (int(state_rows.group), f, s)
        for state_rows, first, second in missing
        if state_rows.stored
        for f, s in zip(first.tolist(), second.tolist(), strict=True)
    ]
    stored = _load_stored(keys) if keys else {}
    for state_rows, first, second in missing:
        if first.size:
            state_rows.add_rows(first, second, stored.get(int(state_rows.group), {}))


def _find_missing(state_rows: StateRows, first: Ints, second: Ints | None) -> tuple[Ints, Ints]:
    second = np.zeros_like(first) if second is None else second
    valid = (first >= 0) & (second >= 0)
    return state_rows.index.find_missing(first[valid], second[valid])


def _load_stored(keys: Sequence[tuple[int, int, int]]) -> dict[int, dict[tuple[int, int], bytes]]:
    """Stored rows by block and key."""
    stored_rows: dict[int, dict[tuple[int, int], bytes]] = {}
    columns = "block, first, second, numbers"
    queries: list[tuple[str, list[Any]]]
    if connection.vendor == "postgresql":
        arrays: list[Any] = [bulk.to_pg_array(column) for column in zip(*keys, strict=True)]
        queries = [
            (
                f"SELECT {columns} FROM reputation_foldstate JOIN "
                "unnest(%s::smallint[], %s::bigint[], %s::bigint[]) AS k(b, f, s) "
                "ON block = b AND first = f AND second = s",
                arrays,
            )
        ]
    else:
        # CROSS JOIN fixes the order: each key is searched for. For (…) IN (VALUES …) the table would be scanned.
        queries = [
            (
                f"WITH k(b, f, s) AS (VALUES {', '.join(['(%s, %s, %s)'] * len(chunk))}) "
                f"SELECT {columns} FROM k CROSS JOIN reputation_foldstate "
                "ON block = b AND first = f AND second = s",
                [number for key in chunk for number in key],
            )
            for chunk in itertools.batched(keys, 3000)
        ]
    with connection.cursor() as cursor:
        for sql, values in queries:
            cursor.execute(sql, values)
            for block, first, second, numbers in cursor.fetchall():
                stored_rows.setdefault(block, {})[first, second] = bytes(numbers)
    return stored_rows


def stack_columns(arrays: Arrays) -> NDArray[np.float64]:
    """Arrays of n rows each, side by side as float64."""
    return np.concatenate(
        [a.reshape(len(a), math.prod(a.shape[1:])).astype("<f8") for a in arrays], axis=1
    )


def save(serialized: Sequence[tuple[int, int, int, bytes]]) -> None:
    """Write state rows, replacing stored ones; in the caller's transaction."""
    for start in range(0, len(serialized), 20_000):
        bulk.bulk_upsert(
            ProjectionState,
            ("block", "first", "second", "numbers"),
            serialized[start : start + 20_000],
            update_on=("block", "first", "second"),
        )
