"""Dreamframes: the context in which a prompt is tried, and how it is changed from one frame to the next.

Frame 0 is the plain one. What each of the others changes follows from the run's seed alone, by SHA-256: the same seed
gives the same frames everywhere, and what is on record is enough to build a frame again.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mintmark.core import paraphrasing

MOST_FRAMES = 100
MOST_SEED = 2**31 - 1
"""Seeds are what endpoints take: whole numbers of 31 bits."""

_MOST_RULES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Varied:
    """What a ritual lets frames change: the temperatures to draw from (none: the ritual's own stays), the order of what
    is remembered, the order of inputs, and how an input is worded."""

    temperatures: tuple[float, ...] = (0.3, 0.7, 1.0)
    memory_order: bool = True
    input_order: bool = True
    paraphrase: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One context: the seed and the temperature that the endpoint is given, whether memory and inputs stand in another
    order than the ritual's, and by which rules of `paraphrasing` inputs are reworded."""

    number: int
    seed: int
    temperature: float
    memory_order: bool = False
    input_order: bool = False
    paraphrases: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """What is kept of it."""
        return asdict(self) | {"paraphrases": list(self.paraphrases)}

    def says(self) -> str:
        """In one line, for people."""
        if self.number == 0:
            return f"the plain frame: temperature {self.temperature:g}, seed {self.seed}"
        changes = [f"temperature {self.temperature:g}", f"seed {self.seed}"]
        changes += ["memory in another order"] if self.memory_order else []
        changes += ["inputs in another order"] if self.input_order else []
        changes += [f"inputs reworded ({', '.join(self.paraphrases)})"] if self.paraphrases else []
        return f"dreamframe {self.number}: {', '.join(changes)}"


def frames(
    *, seed: int, perturbed: int, temperature: float, varied: Varied | None = None
) -> tuple[Frame, ...]:
    """The plain frame, then as many perturbed ones. Raises ValueError where a number is out of bounds."""
    if not 0 <= seed <= MOST_SEED:
        raise ValueError(f"The seed {seed}: use a whole number from 0 to {MOST_SEED}.")
    if not 0 <= perturbed <= MOST_FRAMES:
        raise ValueError(f"{perturbed} dreamframes: ask for 0 to {MOST_FRAMES}.")
    varied = varied or Varied()
    plain = Frame(number=0, seed=seed, temperature=temperature)
    return (plain, *(_perturbed(seed, n, temperature, varied) for n in range(1, perturbed + 1)))


def from_json(kept: dict[str, Any]) -> Frame:
    """The frame of which `as_json` was kept."""
    return Frame(**kept | {"paraphrases": tuple(kept["paraphrases"])})


def shuffled[T](items: Sequence[T], *, seed: int, what: str) -> list[T]:
    """The items in an order that the seed and `what` decide; every order is equally likely."""
    keys = [(_digest(seed, what, n), n) for n in range(len(items))]
    return [items[n] for _, n in sorted(keys)]


def _perturbed(seed: int, number: int, temperature: float, varied: Varied) -> Frame:
    if varied.temperatures:
        temperature = varied.temperatures[
            _drawn(len(varied.temperatures), seed, number, "temperature")
        ]
    rules: tuple[str, ...] = ()
    if varied.paraphrase:
        many = 1 + _drawn(_MOST_RULES, seed, number, "rules")
        order = shuffled(list(paraphrasing.RULES), seed=seed, what=f"{number} rules")
        rules = paraphrasing.compatible(order)[:many]
    return Frame(
        number=number,
        seed=_drawn(MOST_SEED + 1, seed, number, "seed"),
        temperature=temperature,
        memory_order=varied.memory_order,
        input_order=varied.input_order,
        paraphrases=rules,
    )


def _drawn(below: int, *of: object) -> int:
    """A whole number from 0 up to, and not, `below`; 64 bits of SHA-256 make its bias one in 2³³ at most."""
    return int.from_bytes(_digest(*of)[:8]) % below


def _digest(*of: object) -> bytes:
    return hashlib.sha256("\x1f".join(map(str, of)).encode()).digest()
