"""Two intervals on one axis, one above the other: what was, and what would be."""

from dataclasses import dataclass
from typing import Protocol

from . import interval
from .interval import IntervalBar


class IntervalLike(Protocol):
    """A value with its 90% interval."""

    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalPair:
    """The upper and the lower bar, on an axis from 0 to 1."""

    before: IntervalBar
    after: IntervalBar


def build_interval_pair(*, before: IntervalLike, after: IntervalLike) -> IntervalPair:
    """Both intervals on the axis from 0 to 1."""
    return IntervalPair(
        before=interval.build_interval_bar(value=before.value, low=before.low, high=before.high),
        after=interval.build_interval_bar(value=after.value, low=after.low, high=after.high),
    )
