"""Which prompt to use: the one of whose trust one is surest, or one drawn so that the uncertain are tried too."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MAX_CANDIDATES = 50
"""How many prompts of a ranking are looked at."""
REQUIRED_MEMBERS = frozenset(("as_of", "policy", "items"))
"""What the answer that tells a ranking has at least."""
_Z_90 = 1.6448536269514722
_TRIALS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptCandidate:
    """A prompt that may be used, and how far the assistant can trust it: a mean score with its 90% interval."""

    reference: str
    ritual: str
    value: float
    low: float
    high: float
    runs: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Why a prompt was chosen. `probability` is that of choosing it (1 without exploring, else estimated by 100 further
    draws), by which outcomes of explored choices are weighted; `surest` is what would have been chosen without;
    `left_out` how many prompts each of the assistant's gates kept from it."""

    method: str
    task: str
    candidate: PromptCandidate
    drawn: float | None
    probability: float
    surest: str
    candidates: int
    as_of: int
    policy: int
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def tag(self) -> str:
        """What every report on this choice is tagged with."""
        return f"chosen:{self.method}"

    @property
    def note(self) -> str:
        """What every report on this choice says of it."""
        candidate = self.candidate
        details = (
            f"trust {candidate.value:.3f} [{candidate.low:.3f}, {candidate.high:.3f}], "
            f"{self.candidates} candidates"
        )
        if self.drawn is not None:
            details += f", drawn {self.drawn:.3f} with probability {self.probability:.2f}, surest {self.surest}"
        return f"{self.method} for {self.task}: {details}, as of {self.as_of}, policy {self.policy}"


def parse_candidates(body: Mapping[str, Any]) -> list[PromptCandidate]:
    """The prompts of a ranking."""
    return [
        PromptCandidate(
            reference=str(item["prompt"]["reference"]),
            ritual=str(item["ritual"]["name"]),
            value=float(item["trust"]["value"]),
            low=float(item["trust"]["low"]),
            high=float(item["trust"]["high"]),
            runs=float(item["trust"]["runs"]),
        )
        for item in body["items"]
    ]


def parse_left_out(body: Mapping[str, Any]) -> dict[str, int]:
    """How many prompts each gate of the assistant kept out of a ranking."""
    return {str(gate): int(count) for gate, count in body.get("left_out", {}).items()}


def select(
    candidates: Sequence[PromptCandidate],
    *,
    task: str,
    as_of: int,
    policy: int,
    rng: random.Random | None,
    left_out: Mapping[str, int] | None = None,
) -> Selection:
    """The candidate with the highest lower bound; or, with chance given, Thompson's: a score is drawn for each from
    what is believed of it, and the highest wins (Thompson 1933). So each wins as often as it is likely to be the best.
    """
    surest = max(candidates, key=lambda candidate: (candidate.low, candidate.value))
    if rng is None:
        winner, drawn_score, probability = surest, None, 1.0
    else:
        # Whose upper bound is below another's lower one hardly ever wins; leaving it out saves most of the draws.
        contenders = [candidate for candidate in candidates if candidate.high >= surest.low]
        winner, drawn_score = _draw_best(contenders, rng)
        repeat_wins = sum(_draw_best(contenders, rng)[0] is winner for _ in range(_TRIALS))
        probability = (repeat_wins + 1) / (_TRIALS + 2)
    return Selection(
        method="surest" if rng is None else "thompson",
        task=task,
        candidate=winner,
        drawn=drawn_score,
        probability=probability,
        surest=surest.reference,
        candidates=len(candidates),
        as_of=as_of,
        policy=policy,
        left_out=left_out or {},
    )


def _draw_best(
    candidates: Sequence[PromptCandidate], rng: random.Random
) -> tuple[PromptCandidate, float]:
    scores = [(_draw_score(candidate, rng), n) for n, candidate in enumerate(candidates)]
    best, n = max(scores)
    return candidates[n], best


def _draw_score(candidate: PromptCandidate, rng: random.Random) -> float:
    """A draw from the Beta with the mean of the estimate and the variance that its interval stands for."""
    mean = min(max(candidate.value, 1e-6), 1 - 1e-6)
    sd = max(candidate.high - candidate.low, 1e-6) / (2 * _Z_90)
    size = max(mean * (1 - mean) / (sd * sd) - 1, 1e-3)
    return rng.betavariate(mean * size, (1 - mean) * size)
