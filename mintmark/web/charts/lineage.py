"""A family of prompts: generation downwards, trust from left to right, so that one sees what each change did."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .interval import percent

_GAP_PX = 46
_DOT_PX = 9
_LABELLED = 8
# Two dots nearer than this, in percent of the width, are set one above the other.
_ROOM = 1.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """One prompt: where it stands, and whether there is room for its name."""

    id: int
    x: float
    y: float
    labelled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    dots: dict[int, Dot]
    edges: list[tuple[Dot, Dot]]
    height: int


def tree(*, trust: Mapping[int, float], edges: Sequence[tuple[int, int]]) -> Tree:
    """Place the prompts of `trust` (id to score); `edges` go from parent to child, and must not form a circle."""
    parent = {child: elder for elder, child in edges if elder in trust and child in trust}
    generation = {prompt: _generation(prompt, parent) for prompt in trust}
    dots: dict[int, Dot] = {}
    top = 28.0
    for level in sorted(set(generation.values())):
        members = sorted((p for p in trust if generation[p] == level), key=lambda p: (trust[p], p))
        lanes: list[float] = []
        placed: list[tuple[int, float, int]] = []
        for prompt in members:
            x = 4.0 + 0.92 * percent(trust[prompt])
            lane = next((n for n, taken in enumerate(lanes) if x - taken >= _ROOM), len(lanes))
            lanes[lane:] = [x, *lanes[lane + 1 :]]
            placed.append((prompt, round(x, 2), lane))
        labelled = len(members) <= _LABELLED and len(lanes) == 1
        for prompt, x, lane in placed:
            dots[prompt] = Dot(id=prompt, x=x, y=top + lane * _DOT_PX, labelled=labelled)
        top += (max(len(lanes), 1) - 1) * _DOT_PX + _GAP_PX
    return Tree(
        dots=dots,
        edges=[(dots[elder], dots[child]) for child, elder in parent.items()],
        height=round(top - _GAP_PX + 24),
    )


def _generation(prompt: int, parent: Mapping[int, int]) -> int:
    steps = 0
    while prompt in parent and steps <= len(parent):
        prompt = parent[prompt]
        steps += 1
    return steps
