"""What a wallet held over time: steps, for a balance stays as it is until something moves it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mintmark.common import amounts

# Below this span the clock says little: moves of one sitting would stand on one spot.
_MIN_SPAN = timedelta(hours=2)
HEIGHT_PX = 140
TOP_PX = 12
_MAX_MARKS = 60
# Room for the labels of the grid, of a width of 1000.
_LEFT_MARGIN = 50.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancePoint:
    """What the wallet held from `at` on, in micro-tokens."""

    at: datetime
    balance_micro: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceMark:
    """A point as drawn: `x` in percent of the width, `y` in pixels."""

    x: float
    y: float
    point: BalancePoint


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceChart:
    """What to draw: `path` and `area` in a box of 1000 by TOP_PX + HEIGHT_PX, marks, and `grid` (y, tokens).

    `by_time` is False where the points lie too close in time and are spread evenly, in their order.
    """

    path: str
    area: str
    marks: list[BalanceMark]
    grid: list[tuple[float, str]]
    by_time: bool
    first: datetime
    last: datetime


def build_balance_chart(*, points: Sequence[BalancePoint]) -> BalanceChart | None:
    """The steps through `points`, given in the order of time; None when there is none."""
    if not points:
        return None
    first, last = points[0].at, points[-1].at
    by_time = last - first >= _MIN_SPAN
    grid_step = _choose_grid_step(max(point.balance_micro for point in points))
    top = max(1, math.ceil(max(point.balance_micro for point in points) / grid_step)) * grid_step

    def x(position: int) -> float:
        if len(points) == 1:
            return _LEFT_MARGIN
        share = (
            (points[position].at - first) / (last - first)
            if by_time
            else position / (len(points) - 1)
        )
        return round(_LEFT_MARGIN + (980.0 - _LEFT_MARGIN) * share, 2)

    def y(balance_micro: int) -> float:
        return round(TOP_PX + HEIGHT_PX * (1.0 - balance_micro / top), 2)

    xs = [x(position) for position in range(len(points))]
    ys = [y(point.balance_micro) for point in points]
    path = f"M{xs[0]},{ys[0]}" + "".join(
        f" H{at} V{to}" for at, to in zip(xs[1:], ys[1:], strict=True)
    )
    # What it holds now goes on to the edge.
    path += " H980.0"
    mark_indices = range(0, len(points), max(1, -(-len(points) // _MAX_MARKS)))
    bottom = float(TOP_PX + HEIGHT_PX)
    return BalanceChart(
        path=path,
        area=f"{path} V{bottom} H{xs[0]} Z",
        marks=[BalanceMark(x=xs[n] / 10.0, y=ys[n], point=points[n]) for n in mark_indices],
        grid=[(y(mark), amounts.format_tokens(mark)) for mark in range(0, top + 1, grid_step)],
        by_time=by_time,
        first=first,
        last=last,
    )


def _choose_grid_step(max_micro: int) -> int:
    """Micro-tokens between two lines of the grid: 1, 2 or 5 times a power of ten, two to five lines in all."""
    if max_micro < 4:
        return 1
    power = 10 ** int(math.log10(max_micro / 4))
    return next(int(power * n) for n in (1, 2, 5, 10) if power * n * 4 >= max_micro)
