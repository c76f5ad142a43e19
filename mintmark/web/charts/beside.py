"""Two intervals on one axis, one above the other: what was, and what would be."""

from dataclasses import dataclass
from typing import Protocol

from . import interval
from .interval import Bar


class Estimated(Protocol):
    """A value with its 90% interval."""

    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """The upper and the lower bar, on an axis from 0 to 1."""

    before: Bar
    after: Bar


def beside(*, before: Estimated, after: Estimated) -> Beside:
    """Both intervals on the axis from 0 to 1."""
    return Beside(
        before=interval.bar(value=before.value, low=before.low, high=before.high),
        after=interval.bar(value=after.value, low=after.low, high=after.high),
    )
