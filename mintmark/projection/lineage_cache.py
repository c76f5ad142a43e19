"""Constant facts of prompts and rituals, cached in memory during a fold."""

import numpy as np
from numpy.typing import NDArray

from mintmark.registry.models import Prompt, Ritual

Ints = NDArray[np.int64]


class LineageCache:
    """Parents and forking assistants of prompts by id, read from the database once each."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, int]] = {}

    def get_parents(self, prompts: Ints) -> Ints:
        """The parent's id of each prompt, −1 for none."""
        self._load_missing(prompts)
        return np.array([self._known[p][0] for p in prompts.tolist()], dtype=np.int64)

    def get_forking_assistants(self, prompts: Ints) -> Ints:
        """The id of the assistant that made each prompt by forking, −1 for none."""
        self._load_missing(prompts)
        return np.array([self._known[p][1] for p in prompts.tolist()], dtype=np.int64)

    def _load_missing(self, prompts: Ints) -> None:
        missing = [p for p in np.unique(prompts).tolist() if p not in self._known]
        for start in range(0, len(missing), 5000):
            rows = Prompt.objects.filter(pk__in=missing[start : start + 5000])
            for pk, parent, forked_by in rows.values_list("id", "parent_id", "forked_by_id"):
                self._known[pk] = (
                    -1 if parent is None else parent,
                    -1 if forked_by is None else forked_by,
                )


def load_task_ids() -> dict[int, int]:
    """Every ritual's id → the id of the first version of its name: all versions share their statistics."""
    first: dict[str, int] = {}
    task_by_ritual: dict[int, int] = {}
    for pk, name in Ritual.objects.order_by("id").values_list("id", "name"):
        task_by_ritual[pk] = first.setdefault(name, pk)
    return task_by_ritual
