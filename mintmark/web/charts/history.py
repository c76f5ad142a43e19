"""A score over time: a line in its band, a mark for each recorded batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

# Below this span the clock says little: a bulk import records everything within seconds.
_MIN_SPAN = timedelta(hours=2)
HEIGHT_PX = 180
TOP_PX = 8
_MAX_MARKS = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustPoint:
    """A score at a moment: the trust score, its interval, and when it was taken."""

    at: datetime
    trust: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustMark:
    x: float
    y: float
    point: TrustPoint


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustChart:
    """What to draw: `path` and `band` in a box of 1000 by TOP_PX + HEIGHT_PX, marks and `grid` (y, label) in
    percent and pixels.

    `by_time` is False where the points lie too close in time and are spread evenly, in the order recorded.
    """

    path: str
    band: str
    marks: list[TrustMark]
    grid: list[tuple[float, str]]
    by_time: bool
    first: datetime
    last: datetime


def build_trust_chart(*, points: Sequence[TrustPoint]) -> TrustChart | None:
    """The line through `points` in the order of time; None when there is none."""
    if not points:
        return None
    # What was measured earlier may have been recorded later: a line must not run back.
    points = sorted(points, key=lambda point: point.at)
    start, end = _get_axis_range(points)
    first, last = points[0].at, points[-1].at
    by_time = last - first >= _MIN_SPAN

    def x(position: int) -> float:
        if len(points) == 1:
            return 500.0
        if by_time:
            return round(20.0 + 960.0 * ((points[position].at - first) / (last - first)), 2)
        return round(20.0 + 960.0 * position / (len(points) - 1), 2)

    def y(score: float) -> float:
        return round(TOP_PX + HEIGHT_PX * (1.0 - (score - start) / (end - start)), 2)

    xs = [x(position) for position in range(len(points))]
    upper = [f"{at},{y(point.high)}" for at, point in zip(xs, points, strict=True)]
    lower = [f"{at},{y(point.low)}" for at, point in zip(xs, points, strict=True)]
    every = max(1, -(-len(points) // _MAX_MARKS))
    mark_indices = [n for n in range(len(points)) if n % every == 0 or n == len(points) - 1]
    return TrustChart(
        path="M" + " L".join(f"{at},{y(p.trust)}" for at, p in zip(xs, points, strict=True)),
        band="M" + " L".join([*upper, *reversed(lower)]) + " Z",
        marks=[
            TrustMark(x=xs[n] / 10.0, y=y(points[n].trust), point=points[n]) for n in mark_indices
        ],
        grid=[(y(score), f"{score:.1f}") for score in _list_gridlines(start, end)],
        by_time=by_time,
        first=first,
        last=last,
    )


def _get_axis_range(points: Sequence[TrustPoint]) -> tuple[float, float]:
    """Whole tenths around everything drawn, at least three of them, within [0,1]."""
    start = int(min(p.low for p in points) * 10.0) / 10.0
    end = min(1.0, int(max(p.high for p in points) * 10.0 + 1.0) / 10.0)
    while end - start < 0.3:
        start, end = max(0.0, start - 0.1), min(1.0, end + 0.1)
    return start, end


def _list_gridlines(start: float, end: float) -> list[float]:
    tenths = range(round(start * 10), round(end * 10) + 1)
    every = 1 if len(tenths) <= 6 else 2
    return [tenth / 10.0 for tenth in tenths if tenth % every == 0]
