"""A family of prompts: generation downwards, trust from left to right, so that one sees what each change did."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from .interval import to_percent

_GAP_PX = 46
_DOT_PX = 10
_MAX_LABELLED = 4
# Two dots nearer than this, in percent of the width, are set one above the other.
_MIN_DOT_DISTANCE = 1.5
_MARGIN = 4.0
# What is written on two lines of a generation must lie so far apart, in percent of the width.
_MIN_LABEL_DISTANCE = 18.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageDot:
    """One prompt: where it stands, and whether there is room for its name."""

    id: int
    x: float
    y: float
    labelled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnEdge:
    """A derivation: from which dot to which, its middle, and whether there is room to write on it."""

    parent: LineageDot
    child: LineageDot
    x: float
    y: float
    labelled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageTree:
    """Dots by prompt, lines from parent to child, and the marks of the axis of trust (percent, label)."""

    dots: dict[int, LineageDot]
    edges: list[DrawnEdge]
    grid: list[tuple[float, str]]
    height: int


def build_lineage_tree(
    *,
    trust: Mapping[int, float],
    first: int,
    edges: Sequence[tuple[int, int]],
    annotated: Collection[int] = (),
) -> LineageTree:
    """Place the prompts of `trust` (id to score); `edges` go from parent to child and form no circle.

    `first` is placed before its generation, so that it stands in the topmost row. Something is to be written on the
    lines to the prompts of `written`, where there is room.
    """
    parent = {child: elder for elder, child in edges if elder in trust and child in trust}
    generation = {prompt: _count_generations(prompt, parent) for prompt in trust}
    start, end = _get_axis_range(list(trust.values()))
    dots: dict[int, LineageDot] = {}
    top = 28.0
    for level in sorted(set(generation.values())):
        members = [prompt for prompt in trust if generation[prompt] == level]
        members.sort(key=lambda prompt: (prompt != first, trust[prompt], prompt))
        lanes: list[list[float]] = []
        for prompt in members:
            x = _scale_to_axis(trust[prompt], start, end)
            lane = _find_free_lane(lanes, x)
            lanes[lane].append(x)
            dots[prompt] = LineageDot(
                id=prompt, x=x, y=top + lane * _DOT_PX, labelled=len(members) <= _MAX_LABELLED
            )
        top += (len(lanes) - 1) * _DOT_PX + _GAP_PX
    twentieths = range(round(start * 20), round(end * 20) + 1)
    every = -(-len(twentieths) // 8)
    return LineageTree(
        dots=dots,
        edges=_build_edges(
            [(dots[elder], dots[child]) for child, elder in parent.items()], set(annotated)
        ),
        grid=[
            (_scale_to_axis(mark / 20.0, start, end), f"{mark / 20.0:.2f}")
            for mark in twentieths[::every]
        ],
        height=round(top - _GAP_PX + 24),
    )


def _build_edges(
    ends: Sequence[tuple[LineageDot, LineageDot]], annotated: set[int]
) -> list[DrawnEdge]:
    edges: list[DrawnEdge] = []
    labels_by_height: dict[float, list[float]] = {}
    for parent, child in ends:
        x, y = round((parent.x + child.x) / 2.0, 2), (parent.y + child.y) / 2.0
        label_positions = labels_by_height.setdefault(y, [])
        has_room = child.labelled and all(
            abs(x - other) >= _MIN_LABEL_DISTANCE for other in label_positions
        )
        labelled = child.id in annotated and has_room
        if labelled:
            label_positions.append(x)
        edges.append(DrawnEdge(parent=parent, child=child, x=x, y=y, labelled=labelled))
    return edges


def _get_axis_range(scores: Sequence[float]) -> tuple[float, float]:
    """Whole twentieths around all scores."""
    start = math.floor(20.0 * min(scores) - 0.2) / 20.0
    end = math.ceil(20.0 * max(scores) + 0.2) / 20.0
    return max(0.0, start), min(1.0, end)


def _scale_to_axis(score: float, start: float, end: float) -> float:
    inner = 1.0 - 2.0 * _MARGIN / 100.0
    return round(_MARGIN + inner * to_percent(score, start=start, end=end), 2)


def _find_free_lane(lanes: list[list[float]], x: float) -> int:
    """The first lane with room at `x`; a new one where none has."""
    for number, positions in enumerate(lanes):
        if all(abs(x - other) >= _MIN_DOT_DISTANCE for other in positions):
            return number
    lanes.append([])
    return len(lanes) - 1


def _count_generations(prompt: int, parent: Mapping[int, int]) -> int:
    steps = 0
    while prompt in parent and steps <= len(parent):
        prompt = parent[prompt]
        steps += 1
    return steps
