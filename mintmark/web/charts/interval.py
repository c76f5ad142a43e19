"""An interval as a thin bar with a tick: never a bare ± number."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalBar:
    """Where to draw an interval on an axis, in percent of its width; `zero` is where 0 lies (None: at the edge)."""

    low: float
    high: float
    tick: float
    zero: float | None

    @property
    def width(self) -> float:
        return max(self.high - self.low, 0.5)


def build_interval_bar(
    *, value: float, low: float, high: float, start: float = 0.0, end: float = 1.0
) -> IntervalBar:
    """The bar of `value` in [low, high] on an axis from `start` to `end`; what lies outside is cut at the edge."""
    return IntervalBar(
        low=to_percent(low, start=start, end=end),
        high=to_percent(high, start=start, end=end),
        tick=to_percent(value, start=start, end=end),
        zero=to_percent(0.0, start=start, end=end) if start < 0.0 < end else None,
    )


def to_percent(value: float, *, start: float = 0.0, end: float = 1.0) -> float:
    """Where `value` lies between `start` and `end`, in percent, cut to the axis, to a hundredth."""
    return round(100.0 * min(1.0, max(0.0, (value - start) / (end - start))), 2)
