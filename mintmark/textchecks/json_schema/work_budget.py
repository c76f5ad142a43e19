"""The cost of one check against a schema: every step is charged, so its time is bounded whatever the schema is."""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

MAX_WORK = 200_000_000
"""In units of some nanoseconds at worst: one instruction of a pattern at one byte, or one character read."""
STEP_WORK = 2_000
_MAX_DEPTH = 160
_SCALAR_SIZE = 8


class BudgetExceeded(Exception):
    """A check exceeds its budget."""


@dataclass(slots=True, kw_only=True)
class SchemaBudget:
    """The work that is left, the depth of the check, and the sizes of the containers of value and schema, by their
    ids."""

    remaining: int = field(default_factory=lambda: MAX_WORK)
    depth: int = 0
    weights: dict[int, int] = field(default_factory=dict)
    weights_of_schema: Mapping[int, int] = field(default_factory=dict)

    def spend(self, work: int) -> None:
        """Spend `work` units. Raises `BudgetExceeded` if fewer are left."""
        self.remaining -= work
        if self.remaining < 0:
            raise BudgetExceeded

    def enter(self, value: Any, keyword_value: Any) -> None:
        """Go one level deeper, for a keyword that may read all of `value` and each entry of `keyword_value`."""
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise BudgetExceeded
        self.spend(STEP_WORK + self.weight(value) + 20 * _count_entries(keyword_value))

    def leave(self) -> None:
        """Go one level up again."""
        self.depth -= 1

    def weight(self, value: Any) -> int:
        """The approximate length, in characters of JSON, of a part of the value or of the schema."""
        if not isinstance(value, dict | list):
            return _measure_scalar(value)
        return self.weights.get(id(value)) or self.weights_of_schema.get(id(value), _SCALAR_SIZE)


def weigh(value: Any) -> tuple[dict[int, int], int]:
    """The size of each container of a value (in characters of JSON, roughly) by its id, and the depth of the value."""
    weights: dict[int, int] = {}
    max_depth = 0
    order: list[tuple[Any, int]] = [(value, 1)]
    for node, depth in order:  # the list grows while it is iterated
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
