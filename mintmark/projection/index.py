"""Positions of rows, by a pair of ids, in arrays that only grow."""

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


class PairIndex:
    """Keys (first, second) → positions 0, 1, 2… in the order in which they were added. Ids are 0 to 2^31 − 1.

    Stored as sorted numbers, so that a million keys are found at once and take sixteen bytes each.
    """

    def __init__(self) -> None:
        self._sorted = np.empty(0, dtype=np.int64)
        self._position = np.empty(0, dtype=np.int64)
        self._codes = np.empty(0, dtype=np.int64)

    def __len__(self) -> int:
        return int(self._codes.size)

    @property
    def first(self) -> Ints:
        """The first id of each key, by position."""
        return self._codes >> 32

    @property
    def second(self) -> Ints:
        """The second id of each key, by position."""
        return self._codes & 0xFFFFFFFF

    def find(self, first: Ints, second: Ints) -> Ints:
        """Positions of keys, −1 for missing ones. OverflowError for an id beyond 2^31."""
        codes = _encode(first, second)
        if not len(self):
            return np.full(codes.shape, -1, dtype=np.int64)
        at = np.minimum(np.searchsorted(self._sorted, codes), len(self) - 1)
        return np.where(self._sorted[at] == codes, self._position[at], -1)

    def find_missing(self, first: Ints, second: Ints) -> tuple[Ints, Ints]:
        """The missing ones of these keys, each once, in order."""
        absent = self.find(first, second) < 0
        codes = np.unique(_encode(first[absent], second[absent]))
        return codes >> 32, codes & 0xFFFFFFFF

    def add(self, first: Ints, second: Ints) -> None:
        """Give the next positions to these keys, all of them missing; in order, as `find_missing` returns them."""
        codes = _encode(first, second)
        at = np.searchsorted(self._sorted, codes)
        new = np.arange(len(self), len(self) + codes.size)
        self._sorted = np.insert(self._sorted, at, codes)
        self._position = np.insert(self._position, at, new)
        self._codes = np.concatenate([self._codes, codes])


def _encode(first: Ints, second: Ints) -> Ints:
    """One integer a key. Ids beyond 2^31 are refused, not mixed up."""
    if ((first | second) >> 31).any():
        raise OverflowError("state rows are addressed by ids from 0 to 2^31 - 1")
    return (first << 32) | second
