"""The constants of prompt trust; a new set of them is a new policy."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FORMULA = 3
"""Increased when the same policy over the same log would give other numbers."""


class KernelConstants(NamedTuple):
    """What a kernel needs of a policy; every field a float."""

    kappa_default: float
    opinion_share: float
    word_share: float
    opinion_tolerance: float
    half_life_measured_days: float
    half_life_opinion_days: float
    run_correlation: float
    inheritance: float
    harness_sd: float
    false_distance: float
    min_verdicts: float
    team_tolerance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReputationPolicy:
    """Constants of `scoring.md`, "Prompt trust" and "Raters".

    `kappa` is the weight of the prior in runs, by the caller's key of a ritual; a ritual that is not in it has
    `kappa_default`. `run_correlation` is the correlation of two runs of one prompt on one assistant: n runs there count
    as n/(1 + (n−1)·correlation). `opinion_share` is ρ, and `word_share` the same of reported outcomes that nobody can
    check; `opinion_tolerance` the standard deviations by which opinion may differ from measurement before it is weighed
    down. `inheritance` is the share of its parent's evidence with which a new revision or fork starts. `harness_sd` is
    s, how honest harnesses differ from this installation's; `false_distance` is D, how far a false claim is from the
    truth; `false_share` is λ of a team that was never checked (the mean of the prior in `scoring.reporter_record`); a
    team's claims are mere word before `min_verdicts` of them were re-run; `team_tolerance` is by how many standard
    deviations they may differ from what was executed before they count less.
    """

    kappa_default: float = 12.0
    kappa: Mapping[str, float] = field(default_factory=dict)
    opinion_share: float = 0.25
    word_share: float = 0.1
    opinion_tolerance: float = 0.6
    half_life_measured_days: float = 180.0
    half_life_opinion_days: float = 120.0
    run_correlation: float = 0.05
    inheritance: float = 0.5
    harness_sd: float = 0.05
    false_distance: float = 0.5
    false_share: float = 0.20585
    min_verdicts: float = 4.0
    team_tolerance: float = 2.0
    formula: int = FORMULA

    def __post_init__(self) -> None:
        positive = {
            "kappa_default": self.kappa_default,
            "opinion_tolerance": self.opinion_tolerance,
            "harness_sd": self.harness_sd,
            "team_tolerance": self.team_tolerance,
            "half_life_measured_days": self.half_life_measured_days,
            "half_life_opinion_days": self.half_life_opinion_days,
            **{f"kappa[{key!r}]": value for key, value in self.kappa.items()},
        }
        for name, value in positive.items():
            if not (math.isfinite(value) and value > 0.0):
                raise ValueError(f"{name} is {value!r}: give a finite number above 0")
        shares = {
            "opinion_share": self.opinion_share,
            "word_share": self.word_share,
            "run_correlation": self.run_correlation,
            "inheritance": self.inheritance,
            "false_distance": self.false_distance,
            "false_share": self.false_share,
        }
        for name, value in shares.items():
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"{name} is {value!r}: give a number from 0 to 1")

    def constants(self) -> KernelConstants:
        """The scalars of this policy, as kernels take them."""
        return KernelConstants(**{name: getattr(self, name) for name in KernelConstants._fields})

    def get_kappas(self, rituals: Iterable[str]) -> NDArray[np.float64]:
        """κ of each ritual key, in that order: the content of `ReputationState.rituals.kappa`."""
        return np.array([self.kappa.get(key, self.kappa_default) for key in rituals], dtype=float)

    def to_json(self) -> str:
        """Canonical JSON; floats round-trip exactly."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> ReputationPolicy:
        """The policy that `to_json` wrote. An unknown or ill-typed field raises ValueError."""
        document = json.loads(text)
        unknown = set(document) - set(cls.__dataclass_fields__)
        if unknown:
            raise ValueError(
                f"unknown fields {sorted(unknown)} in a reputation policy: "
                "was it written by a newer version?"
            )
        return cls(**document)
