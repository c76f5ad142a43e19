"""How numbers are written: two significant digits, a true minus, exact values kept for the tooltip."""

import math
from datetime import datetime, timedelta

UNKNOWN = "–"


def format_score(value: float | None) -> str:
    """A score or a measure with two significant digits and at most four decimals: 0.71, 0.046, 0.0021."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    size = abs(value)
    if size < 0.00005:
        return "0.00"
    decimals = 2 if size >= 0.0995 else 3 if size >= 0.00995 else 4
    return f"{value:.{decimals}f}".replace("-", "−")


def format_lift(value: float | None) -> str:
    """A signed difference: +0.083, −0.12; two decimals at least."""
    text = format_score(value)
    return f"+{text}" if value is not None and value >= 0.00005 else text


def format_points(size: float) -> str:
    """The size of a difference in points of score, 100 in all: whole ones, and tenths below one."""
    tenths = round(1_000.0 * size)
    if 0 < tenths < 10:
        return f"0.{tenths}"
    return "0" if size == 0.0 else "under 0.1" if tenths == 0 else str(round(100.0 * size))


def format_signed_points(difference: float) -> str:
    """A difference of two scores in points, of which 100 are the whole scale: +12, −3.5, 0."""
    tenths = round(100.0 * difference, 0 if abs(difference) >= 0.0995 else 1)
    return f"{tenths:+g}".replace("-", "−") if tenths else "0"


def format_exact(value: float | None) -> str:
    """Every digit that the store holds, as the shortest text that reads back to the same bits."""
    return "no value" if value is None else repr(float(value)).replace("-", "−")


def format_count(value: float) -> str:
    """A number of things, or of effective runs: 1,234; below ten a fraction is shown."""
    if value != int(value) and value < 10.0:
        return f"{value:.1f}"
    return f"{round(value):,}"


def format_percentage(value: float) -> str:
    """A probability in whole percent; never 0 or 100, which nobody knows."""
    return "< 1%" if value < 0.01 else "> 99%" if value > 0.99 else f"{value:.0%}"


def format_share(value: float) -> str:
    """A share that was counted, in whole percent: 0% and 100% are exact, what lies next to them says so."""
    if 0.0 < value < 0.005:
        return "< 1%"
    if 0.995 <= value < 1.0:
        return "> 99%"
    return f"{value:.0%}"


_UNITS = (
    (timedelta(days=365), "year"),
    (timedelta(days=30), "month"),
    (timedelta(days=1), "day"),
    (timedelta(hours=1), "hour"),
    (timedelta(minutes=1), "min"),
)


def format_age(at: datetime, *, now: datetime) -> str:
    """How long ago, in the largest whole unit: 3 min ago, 2 days ago."""
    elapsed = now - at
    for unit, name in _UNITS:
        if elapsed >= unit:
            number = elapsed // unit
            return f"{number} {name}{'s' if number > 1 and name != 'min' else ''} ago"
    return "just now"
