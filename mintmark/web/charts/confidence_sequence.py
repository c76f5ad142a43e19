"""A difference as its interval narrows: its estimate and bounds over the pairs counted."""

from collections.abc import Sequence
from dataclasses import dataclass

from mintmark.web import number_format

from .interval import to_percent

TOP_PX = 8
HEIGHT_PX = 180
_AXIS_REACHES = (0.05, 0.1, 0.2, 0.3, 0.5, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferencePoint:
    """What was said after so many pairs; differences of scores, −1 to 1."""

    pairs: int
    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferenceChart:
    """What to draw: `path` and `band` in a box of 1000 by TOP_PX + HEIGHT_PX, `grid` as (y, label), the zone of
    equality from `equal_top` on, `equal_height` high, marks as (x in percent, y, point). An interval wider than
    the axis is cut at its end."""

    path: str
    band: str
    marks: list[tuple[float, float, DifferencePoint]]
    grid: list[tuple[float, str]]
    equal_top: float
    equal_height: float
    pairs: int


def build_difference_chart(
    points: Sequence[DifferencePoint], *, margin: float
) -> DifferenceChart | None:
    """The line through `points`, by pairs; None where there is none."""
    if not points:
        return None
    last = points[-1]
    widest = max(abs(last.low), abs(last.high), 2.0 * margin)
    reach = next((candidate for candidate in _AXIS_REACHES if candidate >= widest), 1.0)

    def x(point: DifferencePoint) -> float:
        return 10.0 * to_percent(float(point.pairs), end=float(last.pairs))

    def y(difference: float) -> float:
        share = to_percent(difference, start=-reach, end=reach) / 100.0
        return round(TOP_PX + HEIGHT_PX * (1.0 - share), 2)

    # Before the first pair nothing is known: the band comes from the whole axis.
    upper = [f"0,{y(reach)}", *(f"{x(point)},{y(point.high)}" for point in points)]
    lower = [f"0,{y(-reach)}", *(f"{x(point)},{y(point.low)}" for point in points)]
    return DifferenceChart(
        path="M" + " L".join(f"{x(point)},{y(point.mean)}" for point in points),
        band="M" + " L".join([*upper, *reversed(lower)]) + " Z",
        marks=[(x(point) / 10.0, y(point.mean), point) for point in points],
        grid=[
            (y(step), number_format.format_signed_points(step)) for step in _list_gridlines(reach)
        ],
        equal_top=y(margin),
        equal_height=round(y(-margin) - y(margin), 2),
        pairs=last.pairs,
    )


def _list_gridlines(reach: float) -> tuple[float, ...]:
    return (-reach, -reach / 2.0, 0.0, reach / 2.0, reach)
