"""What one check against a schema may cost: every step is charged, so its time is bounded whatever the schema is."""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

MOST_WORK = 200_000_000
"""In units of some nanoseconds at worst: one instruction of a pattern at one byte, one character looked at."""
STEP = 2_000
_DEEPEST = 160
_SCALAR = 8


class Unaffordable(Exception):
    """A check goes beyond its budget."""


@dataclass(slots=True, kw_only=True)
class Budget:
    """What is left to spend, how deep the check is, and the sizes of the containers of the value, and of the schema, by
    their ids."""

    left: int = field(default_factory=lambda: MOST_WORK)
    depth: int = 0
    weights: dict[int, int] = field(default_factory=dict)
    weights_of_schema: Mapping[int, int] = field(default_factory=dict)

    def spend(self, work: int) -> None:
        """Take `work` units; raises `Unaffordable` when there are not so many left."""
        self.left -= work
        if self.left < 0:
            raise Unaffordable

    def enter(self, value: Any, wanted: Any) -> None:
        """One step deeper, with a keyword that may look at all of `value` and at each entry of what is `wanted`."""
        self.depth += 1
        if self.depth > _DEEPEST:
            raise Unaffordable
        self.spend(STEP + self.weight(value) + 20 * _entries(wanted))

    def leave(self) -> None:
        """One step up again."""
        self.depth -= 1

    def weight(self, value: Any) -> int:
        """About how many characters a part of the value, or of the schema, has as JSON."""
        if not isinstance(value, dict | list):
            return _size(value)
        return self.weights.get(id(value)) or self.weights_of_schema.get(id(value), _SCALAR)


def weigh(value: Any) -> tuple[dict[int, int], int]:
    """The size of each container of a value (about its characters as JSON) by its id, and how deep the value is."""
    weights: dict[int, int] = {}
    deepest = 0
    order: list[tuple[Any, int]] = [(value, 1)]
    for node, depth in order:  # grows as it goes
        deepest = max(deepest, depth)
        if isinstance(node, dict | list):
            inner = node.values() if isinstance(node, dict) else node
            order += [(one, depth + 1) for one in inner]
    for node, _ in reversed(order):
        if isinstance(node, dict):
            names = sum(map(len, node))
            weights[id(node)] = names + sum(_weight(one, weights) for one in node.values())
        elif isinstance(node, list):
            weights[id(node)] = sum(_weight(one, weights) for one in node)
    return weights, deepest


CURRENT: ContextVar[Budget] = ContextVar("budget of a check against a schema")


def _weight(value: Any, weights: Mapping[int, int]) -> int:
    return 2 + (weights[id(value)] if isinstance(value, dict | list) else _size(value))


def _entries(wanted: Any) -> int:
    if isinstance(wanted, dict):
        return sum(1 + (len(one) if isinstance(one, list) else 0) for one in wanted.values())
    return len(wanted) if isinstance(wanted, list) else 0


def _size(value: Any) -> int:
    return len(value) if isinstance(value, str) else _SCALAR
