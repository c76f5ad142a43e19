"""What one check against a schema may cost: every step is charged, so its time is bounded whatever the schema is."""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

MAX_WORK = 200_000_000
"""In units of some nanoseconds at worst: one instruction of a pattern at one byte, one character looked at."""
STEP_WORK = 2_000
_MAX_DEPTH = 160
_SCALAR_SIZE = 8


class BudgetExceeded(Exception):
    """A check goes beyond its budget."""


@dataclass(slots=True, kw_only=True)
class SchemaBudget:
    """What is left to spend, how deep the check is, and the sizes of the containers of the value, and of the schema, by
    their ids."""

    remaining: int = field(default_factory=lambda: MAX_WORK)
    depth: int = 0
    weights: dict[int, int] = field(default_factory=dict)
    weights_of_schema: Mapping[int, int] = field(default_factory=dict)

    def spend(self, work: int) -> None:
        """Take `work` units; raises `Unaffordable` when there are not so many left."""
        self.remaining -= work
        if self.remaining < 0:
            raise BudgetExceeded

    def enter(self, value: Any, keyword_value: Any) -> None:
        """One step deeper, with a keyword that may look at all of `value` and at each entry of what is `wanted`."""
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise BudgetExceeded
        self.spend(STEP_WORK + self.weight(value) + 20 * _count_entries(keyword_value))

    def leave(self) -> None:
        """One step up again."""
        self.depth -= 1

    def weight(self, value: Any) -> int:
        """About how many characters a part of the value, or of the schema, has as JSON."""
        if not isinstance(value, dict | list):
            return _measure_scalar(value)
        return self.weights.get(id(value)) or self.weights_of_schema.get(id(value), _SCALAR_SIZE)


def weigh(value: Any) -> tuple[dict[int, int], int]:
    """The size of each container of a value (about its characters as JSON) by its id, and how deep the value is."""
    weights: dict[int, int] = {}
    max_depth = 0
    order: list[tuple[Any, int]] = [(value, 1)]
    for node, depth in order:  # grows as it goes
        max_depth = max(max_depth, depth)
        if isinstance(node, dict | list):
            inner = node.values() if isinstance(node, dict) else node
            order += [(child, depth + 1) for child in inner]
    for node, _ in reversed(order):
        if isinstance(node, dict):
            names = sum(map(len, node))
            weights[id(node)] = names + sum(_weigh_value(child, weights) for child in node.values())
        elif isinstance(node, list):
            weights[id(node)] = sum(_weigh_value(child, weights) for child in node)
    return weights, max_depth


CURRENT_BUDGET: ContextVar[SchemaBudget] = ContextVar("budget of a check against a schema")


def _weigh_value(value: Any, weights: Mapping[int, int]) -> int:
    return 2 + (weights[id(value)] if isinstance(value, dict | list) else _measure_scalar(value))


def _count_entries(keyword_value: Any) -> int:
    if isinstance(keyword_value, dict):
        return sum(
            1 + (len(entry) if isinstance(entry, list) else 0) for entry in keyword_value.values()
        )
    return len(keyword_value) if isinstance(keyword_value, list) else 0


def _measure_scalar(value: Any) -> int:
    return len(value) if isinstance(value, str) else _SCALAR_SIZE
