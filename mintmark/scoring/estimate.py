"""A number with its interval."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A value with its 90% interval. `runs` is the evidence behind it without the prior; 0 means that there is none,
    and the interval is then the prior's."""

    value: float
    low: float
    high: float
    runs: float
