"""What an edit would do to trust, as the fork editor shows it: in words and bars, and how far to believe it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mintmark.common import errors
from mintmark.registry.models import Assistant, Prompt
from mintmark.trust.results import EditFeatureEffect, ForeseenTrust, TrackRecord
from mintmark.trust.tracker import AssistantTrustTracker

from ..charts import interval_pair
from ..charts.interval_pair import IntervalPair

EFFECTS_SHOWN = 5
_MIN_EFFECT = 0.0005
# Features that are counted are named by what more of them is.
_OPPOSITES = (
    ("longer", "shorter"),
    ("more text", "less text"),
    ("more", "fewer"),
    ("later", "earlier"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureMove:
    """What the edit does to one feature of the wording (`words`), what that does to trust, and its 90% interval."""

    description: str
    effect: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ForesightRow:
    """One assistant: both texts as if new on one axis, the change, and what moved it. `rest` is what the features that
    are not shown, the wording beyond them and the certainty add to it."""

    prediction: ForeseenTrust
    bars: IntervalPair
    change: FeatureMove
    moves: Sequence[FeatureMove]
    rest: float


def build_foresight(
    *, text: str, parent: Prompt, assistants: Sequence[Assistant], now: datetime
) -> dict[str, Any]:
    """The rows, the reach of the axis of changes, and what is wrong with the text if it can't be foreseen."""
    if not assistants:
        return {"foresight": None, "rows": [], "reach": 0.0, "unforeseen": ""}
    try:
        foresight = AssistantTrustTracker().foresee(
            text=text, parent=parent, assistants=assistants, now=now
        )
    except errors.DomainError as error:
        return {"foresight": None, "rows": [], "reach": 0.0, "unforeseen": error.message}
    rows = [_build_row(prediction) for prediction in foresight.rows]
    return {"foresight": foresight, "rows": rows, "reach": _get_reach(rows), "unforeseen": ""}


def get_track_record() -> TrackRecord | None:
    """How well such predictions have held here."""
    return AssistantTrustTracker().get_track_record()


def _build_row(prediction: ForeseenTrust) -> ForesightRow:
    notable_effects = [effect for effect in prediction.effects if abs(effect.effect) >= _MIN_EFFECT]
    moves = [_build_move(effect) for effect in notable_effects[:EFFECTS_SHOWN]]
    change = prediction.change
    return ForesightRow(
        prediction=prediction,
        bars=interval_pair.build_interval_pair(before=prediction.as_new, after=prediction.edited),
        change=FeatureMove(
            description="in total", effect=change.value, low=change.low, high=change.high
        ),
        moves=moves,
        rest=change.value - sum(move.effect for move in moves),
    )


def _build_move(effect: EditFeatureEffect) -> FeatureMove:
    return FeatureMove(
        description=describe_effect(effect), effect=effect.effect, low=effect.low, high=effect.high
    )


def describe_effect(effect: EditFeatureEffect) -> str:
    """What the edit does to a feature: “more colons”, “fewer colons”, “now: polite”, “no longer: polite”."""
    is_more = effect.after > effect.before
    if not effect.counted:
        return f"{'now' if is_more else 'no longer'}: {effect.label}"
    opposite = next((pair for pair in _OPPOSITES if pair[0] in effect.label), None)
    return effect.label if is_more or opposite is None else effect.label.replace(*opposite)


def _get_reach(rows: Sequence[ForesightRow]) -> float:
    """Half the width of an axis around zero that holds every interval shown, in hundredths."""
    ends = [
        abs(end)
        for row in rows
        for move in (row.change, *row.moves)
        for end in (move.low, move.high)
    ]
    return max(0.05, -(-max(ends, default=0.0) * 100 // 1) / 100)
