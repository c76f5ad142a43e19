"""A number with its interval."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A value with its 90% interval. `runs` is the evidence behind it without the prior; 0 means that none is there,
    and the interval is then as wide as ignorance."""

    value: float
    low: float
    high: float
    runs: float
