"""The priors of the pair model, as one versioned value."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mintmark.scoring import text_features

FORMULA = 2
"""Increased when the same policy over the same log would give other numbers; 2: trust by task."""

WIDTH = 1 + text_features.WIDTH
"""Numbers in a row of a sloped block: the intercept, then one slope a feature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairPolicy:
    """Everything that is assumed before an event is seen. Learned by `priors.learn`.

    Variances are on the logit scale; those of slopes are for one scaled unit of a feature, and `*_hashed` for the
    hashed projections. `feature_scale` (length `text_features.WIDTH`) multiplies a centred feature. `run_correlation` ρ
    is the correlation of runs of one event: n runs weigh n/(1+(n−1)ρ). `interval_scale` multiplies the variance of a
    score in intervals only. `link_*` calibrate expected scores to measured ones (`posterior.apply_link`); 1, 1, 0 leave
    them as they are.
    """

    fleet: float = 0.5
    assistant: float = 0.5
    ritual: float = 0.5
    assistant_ritual: float = 0.5
    prompt: float = 0.1
    pair: float = 0.2
    discrimination: float = 0.05
    slope_fleet: float = 0.005
    slope_assistant: float = 0.005
    slope_ritual: float = 0.005
    slope_assistant_ritual: float = 0.005
    hashed_fleet: float = 0.0005
    hashed_assistant: float = 0.0005
    hashed_ritual: float = 0.0005
    hashed_assistant_ritual: float = 0.0005
    half_life_days: float = 365.0
    run_correlation: float = 0.005
    interval_scale: float = 1.0
    link_low: float = 1.0
    link_high: float = 1.0
    link_shift: float = 0.0
    feature_scale: tuple[float, ...] = field(default=(1.0,) * text_features.WIDTH)
    wording_version: int = text_features.VERSION
    formula: int = FORMULA

    def __post_init__(self) -> None:
        numbers = {k: v for k, v in asdict(self).items() if isinstance(v, float)}
        wrong = [
            f"{k}={v}"
            for k, v in numbers.items()
            if not (math.isfinite(v) and (v >= 0.0 or k == "link_shift"))
        ]
        if self.half_life_days <= 0.0:
            wrong.append(f"half_life_days={self.half_life_days} (must be > 0)")
        if wrong:
            raise ValueError(f"a pair policy needs finite numbers >= 0: {', '.join(wrong)}")
        if len(self.feature_scale) != text_features.WIDTH:
            raise ValueError(
                f"feature_scale has {len(self.feature_scale)} numbers; wording version "
                f"{text_features.VERSION} has {text_features.WIDTH} features: calibrate again"
            )

    def to_json(self) -> str:
        """Return the policy as JSON that `from_json` reads back to equal floats."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a policy; raise ValueError naming an unknown key or a bad number."""
        data: dict[str, Any] = json.loads(text)
        unknown = sorted(set(data) - set(cls.__dataclass_fields__))
        if unknown:
            raise ValueError(f"unknown keys in a pair policy: {', '.join(unknown)}")
        data["feature_scale"] = tuple(data.get("feature_scale", (1.0,) * text_features.WIDTH))
        return cls(**data)

    def prior_rows(self) -> NDArray[np.float64]:
        """Return prior variances, shape (4, WIDTH): fleet, assistant, ritual, assistant_ritual."""
        rows = np.empty((4, WIDTH))
        intercepts = (self.fleet, self.assistant, self.ritual, self.assistant_ritual)
        slopes = (
            self.slope_fleet,
            self.slope_assistant,
            self.slope_ritual,
            self.slope_assistant_ritual,
        )
        hashed = (
            self.hashed_fleet,
            self.hashed_assistant,
            self.hashed_ritual,
            self.hashed_assistant_ritual,
        )
        rows[:, 0] = intercepts
        rows[:, 1 : 1 + text_features.STYLE] = np.array(slopes)[:, None]
        rows[:, 1 + text_features.STYLE :] = np.array(hashed)[:, None]
        return rows

    def without_wording(self) -> PairPolicy:
        """Return the same policy with every slope fixed at 0."""
        return replace(
            self,
            slope_fleet=0.0,
            slope_assistant=0.0,
            slope_ritual=0.0,
            slope_assistant_ritual=0.0,
            hashed_fleet=0.0,
            hashed_assistant=0.0,
            hashed_ritual=0.0,
            hashed_assistant_ritual=0.0,
        )


DEFAULT_PAIR_POLICY = PairPolicy()
"""Weakly informative; only for a log too young to calibrate on."""
