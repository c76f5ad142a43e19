"""Which prompt to use: the one of whose trust one is surest, or one drawn so that the uncertain are tried too."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MOST = 50
"""How many prompts of a ranking are looked at."""
MEMBERS = frozenset(("as_of", "policy", "items"))
"""What the answer that tells a ranking has at least."""
_NINETY = 1.6448536269514722
_TRIALS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A prompt that may be used, and how far the assistant can trust it: a mean score with its 90% interval."""

    reference: str
    ritual: str
    value: float
    low: float
    high: float
    runs: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Why a prompt was chosen. `probability` is that of choosing it (1 without exploring, else estimated by 100 further
    draws), by which outcomes of explored choices are weighted; `surest` is what would have been chosen without;
    `left_out` how many prompts each of the assistant's gates kept from it."""

    method: str
    task: str
    candidate: Candidate
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
        of = self.candidate
        told = f"trust {of.value:.3f} [{of.low:.3f}, {of.high:.3f}], {self.candidates} candidates"
        if self.drawn is not None:
            told += f", drawn {self.drawn:.3f} with probability {self.probability:.2f}, surest {self.surest}"
        return f"{self.method} for {self.task}: {told}, as of {self.as_of}, policy {self.policy}"


def candidates(body: Mapping[str, Any]) -> list[Candidate]:
    """The prompts of a ranking."""
    return [
        Candidate(
            reference=str(item["prompt"]["reference"]),
            ritual=str(item["ritual"]["name"]),
            value=float(item["trust"]["value"]),
            low=float(item["trust"]["low"]),
            high=float(item["trust"]["high"]),
            runs=float(item["trust"]["runs"]),
        )
        for item in body["items"]
    ]


def left_out(body: Mapping[str, Any]) -> dict[str, int]:
    """How many prompts each gate of the assistant kept out of a ranking."""
    return {str(gate): int(count) for gate, count in body.get("left_out", {}).items()}


def chosen(
    of: Sequence[Candidate],
    *,
    task: str,
    as_of: int,
    policy: int,
    rng: random.Random | None,
    left_out: Mapping[str, int] | None = None,
) -> Choice:
    """The candidate with the highest lower bound; or, with chance given, Thompson's: a score is drawn for each from
    what is believed of it, and the highest wins (Thompson 1933). So each wins as often as it is likely to be the best.
    """
    surest = max(of, key=lambda one: (one.low, one.value))
    if rng is None:
        won, drawn, probability = surest, None, 1.0
    else:
        # Whose upper bound is below another's lower one hardly ever wins; leaving it out saves most of the draws.
        live = [one for one in of if one.high >= surest.low]
        won, drawn = _drawn(live, rng)
        again = sum(_drawn(live, rng)[0] is won for _ in range(_TRIALS))
        probability = (again + 1) / (_TRIALS + 2)
    return Choice(
        method="surest" if rng is None else "thompson",
        task=task,
        candidate=won,
        drawn=drawn,
        probability=probability,
        surest=surest.reference,
        candidates=len(of),
        as_of=as_of,
        policy=policy,
        left_out=left_out or {},
    )


def _drawn(of: Sequence[Candidate], rng: random.Random) -> tuple[Candidate, float]:
    scores = [(_score(one, rng), n) for n, one in enumerate(of)]
    best, n = max(scores)
    return of[n], best


def _score(one: Candidate, rng: random.Random) -> float:
    """A draw from the Beta with the mean of the estimate and the variance that its interval stands for."""
    mean = min(max(one.value, 1e-6), 1 - 1e-6)
    sd = max(one.high - one.low, 1e-6) / (2 * _NINETY)
    size = max(mean * (1 - mean) / (sd * sd) - 1, 1e-3)
    return rng.betavariate(mean * size, (1 - mean) * size)
