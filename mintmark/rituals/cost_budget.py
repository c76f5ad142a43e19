"""What a run may still spend: money spent and money reserved for calls in progress, checked against the run's cap."""

import threading
from collections import defaultdict


class CostBudget:
    """A budget in micro-units of the run's currency. It may be used from several threads."""

    def __init__(self, *, cap_micro: int | None, spent_micro: int) -> None:
        self._cap_micro = cap_micro
        self._spent_micro = spent_micro
        self._reserved: defaultdict[int, int] = defaultdict(int)
        self._lock = threading.Lock()

    @property
    def spent_micro(self) -> int:
        return self._spent_micro

    def reserve(self, case: int, micro: int) -> bool:
        """Reserve `micro` more for a case. Returns False, and reserves nothing, if that might exceed the cap."""
        with self._lock:
            total = self._spent_micro + sum(self._reserved.values()) + micro
            if self._cap_micro is not None and total > self._cap_micro:
                return False
            self._reserved[case] += micro
            return True

    def commit(self, case: int, *, spent_micro: int) -> None:
        """Finish a case: replace what is reserved for it by what it cost."""
        with self._lock:
            self._reserved.pop(case, None)
            self._spent_micro += spent_micro
