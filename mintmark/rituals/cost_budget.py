"""What a run may still spend: what is spent and what is under way, held against its cap."""

import threading
from collections import defaultdict


class CostBudget:
    """Amounts in micro-units of the run's currency. Calls take from it in one thread and the worker in another."""

    def __init__(self, *, cap_micro: int | None, spent_micro: int) -> None:
        self._cap_micro = cap_micro
        self._spent_micro = spent_micro
        self._reserved: defaultdict[int, int] = defaultdict(int)
        self._lock = threading.Lock()

    @property
    def spent_micro(self) -> int:
        return self._spent_micro

    def reserve(self, case: int, micro: int) -> bool:
        """Hold so much for a case, beside what is held for it; False, and nothing more held, where it may not fit."""
        with self._lock:
            total = self._spent_micro + sum(self._reserved.values()) + micro
            if self._cap_micro is not None and total > self._cap_micro:
                return False
            self._reserved[case] += micro
            return True

    def commit(self, case: int, *, spent_micro: int) -> None:
        """A case has ended: what was held for it is free but for what it cost."""
        with self._lock:
            self._reserved.pop(case, None)
            self._spent_micro += spent_micro
