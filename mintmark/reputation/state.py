"""The kernels' state as rows of a table: load what a slice of the log touches, store what it changed.

A kernel's group of arrays (all of the same length) becomes one row of `FoldState` per element: the float64 numbers of
all its arrays one after another. Doubles survive storage bit for bit.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from typing import Any

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from mintmark.database import rows

from .models import FoldState

Ints = NDArray[np.int64]
Arrays = Sequence[NDArray[Any]]


class Block(IntEnum):
    """Which group of which kernel; the numbers are kept in the database."""

    PAIR_FLEET = 1
    PAIR_ASSISTANT = 2
    PAIR_RITUAL = 3
    PAIR_ASSISTANT_RITUAL = 4
    PAIR_PROMPT = 5
    PAIR_PAIR = 6
    PAIR_CENTRE = 7
    RECORD_FLEET = 20
    RECORD_RITUAL = 21
    RECORD_ASSISTANT_RITUAL = 22
    RECORD_PROMPT = 23
    RECORD_PAIR = 24
    RECORD_RATER = 25
    RECORD_PROMPT_COHORT = 26
    RECORD_PROMPT_RATER = 27
    ALIGNMENT_PAIR = 40
    ALIGNMENT_PROMPT = 41


class Rows:
    """The rows of one block that are in memory: (first, second) → a position in the arrays.

    `make(n)` gives the group's arrays for n untouched rows. With `stored` False nothing is read from the database: a
    replay from the first event.
    """

    def __init__(self, block: Block, make: Callable[[int], Arrays], *, stored: bool) -> None:
        self._block = block
        self._make = make
        self._stored = stored
        self._index: dict[tuple[int, int], int] = {}
        self._changed: set[int] = set()
        self._arrays = tuple(np.ascontiguousarray(a) for a in make(16))

    def __len__(self) -> int:
        return len(self._index)

    @property
    def arrays(self) -> tuple[NDArray[Any], ...]:
        """The group's arrays over the rows in memory; writing to them changes the rows."""
        return tuple(array[: len(self._index)] for array in self._arrays)

    def locate(self, first: Ints, second: Ints | None = None, *, changes: bool = True) -> Ints:
        """Positions of these rows, loaded or made as needed; −1 where `first` (or `second`) is below 0."""
        second = np.zeros_like(first) if second is None else second
        valid = (first >= 0) & (second >= 0)
        # One integer a key, so that numpy finds the distinct ones fast; ids beyond 2^31 are refused, not mixed up.
        if ((first[valid] | second[valid]) >> 31).any():
            raise OverflowError("state rows are addressed by ids below 2^31")
        codes, inverse = np.unique((first[valid] << 32) | second[valid], return_inverse=True)
        keys = list(zip((codes >> 32).tolist(), (codes & 0xFFFFFFFF).tolist(), strict=True))
        self._load([key for key in keys if key not in self._index])
        at = np.array([self._index[key] for key in keys], dtype=np.int64)
        if changes:
            self._changed.update(at.tolist())
        positions = np.full(first.shape, -1, dtype=np.int64)
        positions[valid] = at[inverse]
        return positions

    @property
    def index(self) -> Mapping[tuple[int, int], int]:
        """Every row in memory, (first, second) → position, in the order of the positions."""
        return self._index

    def packed(self) -> list[tuple[int, int, int, bytes]]:
        """The changed rows as they are stored: block, first, second, numbers."""
        numbers = self._matrix()
        return [
            (int(self._block), first, second, numbers[at].tobytes())
            for (first, second), at in self._index.items()
            if at in self._changed
        ]

    def forget_changes(self) -> None:
        self._changed.clear()

    def _load(self, missing: list[tuple[int, int]]) -> None:
        if not missing:
            return
        stored = self._stored_rows(missing)
        self._put([(key, stored.get(key)) for key in missing])

    def _put(self, found: Sequence[tuple[tuple[int, int], bytes | None]]) -> None:
        self._grow(len(self._index) + len(found))
        for key, numbers in found:
            at = len(self._index)
            self._index[key] = at
            if numbers is not None:
                self._unpack(at, np.frombuffer(numbers, dtype="<f8"))

    def _grow(self, needed: int) -> None:
        capacity = len(self._arrays[0])
        if needed <= capacity:
            return
        larger = tuple(np.ascontiguousarray(a) for a in self._make(max(needed, 2 * capacity)))
        for old, new in zip(self._arrays, larger, strict=True):
            new[:capacity] = old
        self._arrays = larger

    def _matrix(self) -> NDArray[np.float64]:
        return matrix(self.arrays)

    def _unpack(self, at: int, numbers: NDArray[np.float64]) -> None:
        start = 0
        for array in self._arrays:
            width = math.prod(array.shape[1:])
            part = numbers[start : start + width]
            array[at] = part.reshape(array.shape[1:]) if array.ndim > 1 else part[0]
            start += width

    def _stored_rows(self, keys: Sequence[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
        if not self._stored or not keys:
            return {}
        found: dict[tuple[int, int], bytes] = {}
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute(
                    "SELECT first, second, numbers FROM reputation_foldstate JOIN "
                    "unnest(%s::bigint[], %s::bigint[]) AS k(f, s) ON first = f AND second = s WHERE block = %s",
                    [[f for f, _ in keys], [s for _, s in keys], int(self._block)],
                )
                found.update(((f, s), bytes(n)) for f, s, n in cursor.fetchall())
            else:
                for start in range(0, len(keys), 400):
                    part = keys[start : start + 400]
                    cursor.execute(
                        "SELECT first, second, numbers FROM reputation_foldstate WHERE block = %s AND (first, second) "
                        f"IN (VALUES {', '.join(['(%s, %s)'] * len(part))})",
                        [int(self._block), *(number for key in part for number in key)],
                    )
                    found.update(((f, s), bytes(n)) for f, s, n in cursor.fetchall())
        return found


def matrix(arrays: Arrays) -> NDArray[np.float64]:
    """Arrays of n rows each, side by side as float64."""
    return np.concatenate(
        [a.reshape(len(a), math.prod(a.shape[1:])).astype("<f8") for a in arrays], axis=1
    )


def save(packed: Sequence[tuple[int, int, int, bytes]]) -> None:
    """Write rows of state over what was stored; in the caller's transaction."""
    for start in range(0, len(packed), 20_000):
        rows.insert(
            FoldState,
            ("block", "first", "second", "numbers"),
            packed[start : start + 20_000],
            replace=("block", "first", "second"),
        )
