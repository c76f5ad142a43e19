"""Dreamframes: the context in which a prompt is run, and how it changes from one frame to the next.

Frame 0 is the plain one. What each other frame changes follows from the run's seed alone, by SHA-256: the same seed
gives the same frames everywhere, and the stored context is enough to build a frame again.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mintmark.experiments import paraphrasing

MAX_FRAMES = 100
MAX_SEED = 2**31 - 1
"""Seeds are what endpoints take: whole numbers of 31 bits."""

_MAX_RULES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameVariations:
    """What a ritual lets frames change: the temperatures to draw from (none: the ritual's own is kept), the order of
    memory entries, the order of inputs, and the wording of an input."""

    temperatures: tuple[float, ...] = (0.3, 0.7, 1.0)
    memory_order: bool = True
    input_order: bool = True
    paraphrase: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameContext:
    """One context: the seed and temperature for the endpoint, whether memory and inputs are in another order than the
    ritual's, and the rules of `paraphrasing` by which inputs are reworded."""

    number: int
    seed: int
    temperature: float
    memory_order: bool = False
    input_order: bool = False
    paraphrases: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The frame in its stored form."""
        return asdict(self) | {"paraphrases": list(self.paraphrases)}

    def describe(self) -> str:
        """A one-line description, for people."""
        if self.number == 0:
            return f"the plain frame: temperature {self.temperature:g}, seed {self.seed}"
        changes = [f"temperature {self.temperature:g}", f"seed {self.seed}"]
        changes += ["memory in another order"] if self.memory_order else []
        changes += ["inputs in another order"] if self.input_order else []
        changes += [f"inputs reworded ({', '.join(self.paraphrases)})"] if self.paraphrases else []
        return f"dreamframe {self.number}: {', '.join(changes)}"


def build_frames(
    *, seed: int, perturbed: int, temperature: float, variations: FrameVariations | None = None
) -> tuple[FrameContext, ...]:
    """The plain frame, then as many perturbed ones. Raises ValueError where a number is out of bounds."""
    if not 0 <= seed <= MAX_SEED:
        raise ValueError(f"The seed {seed}: use a whole number from 0 to {MAX_SEED}.")
    if not 0 <= perturbed <= MAX_FRAMES:
        raise ValueError(f"{perturbed} dreamframes: ask for 0 to {MAX_FRAMES}.")
    variations = variations or FrameVariations()
    plain = FrameContext(number=0, seed=seed, temperature=temperature)
    return (plain, *(_perturb(seed, n, temperature, variations) for n in range(1, perturbed + 1)))


def from_json(stored: dict[str, Any]) -> FrameContext:
    """The frame that `as_json` stored."""
    return FrameContext(**stored | {"paraphrases": tuple(stored["paraphrases"])})


def shuffle[T](items: Sequence[T], *, seed: int, purpose: str) -> list[T]:
    """The items in an order that `seed` and `purpose` decide; every order is equally likely."""
    keys = [(_hash_parts(seed, purpose, n), n) for n in range(len(items))]
    return [items[n] for _, n in sorted(keys)]


def _perturb(
    seed: int, number: int, temperature: float, variations: FrameVariations
) -> FrameContext:
    if variations.temperatures:
        temperature = variations.temperatures[
            _draw_integer(len(variations.temperatures), seed, number, "temperature")
        ]
    rules: tuple[str, ...] = ()
    if variations.paraphrase:
        rule_count = 1 + _draw_integer(_MAX_RULES, seed, number, "rules")
        order = shuffle(list(paraphrasing.RULES), seed=seed, purpose=f"{number} rules")
        rules = paraphrasing.select_compatible(order)[:rule_count]
    return FrameContext(
        number=number,
        seed=_draw_integer(MAX_SEED + 1, seed, number, "seed"),
        temperature=temperature,
        memory_order=variations.memory_order,
        input_order=variations.input_order,
        paraphrases=rules,
    )


def _draw_integer(below: int, *seed_parts: object) -> int:
    """A whole number from 0 up to, and not, `below`; 64 bits of SHA-256 make its bias one in 2³³ at most."""
    return int.from_bytes(_hash_parts(*seed_parts)[:8]) % below


def _hash_parts(*seed_parts: object) -> bytes:
    return hashlib.sha256("\x1f".join(map(str, seed_parts)).encode()).digest()
