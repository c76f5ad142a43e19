"""What an edit would do to trust, as the fork editor shows it: in words and bars, and how far to believe it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mintmark.core import errors
from mintmark.registry.models import Assistant, Prompt
from mintmark.trust.answers import FeatureEffect, ForeseenTrust, TrackRecord
from mintmark.trust.tracker import AssistantTrustTracker

from .charts import beside
from .charts.beside import Beside

EFFECTS_SHOWN = 5
_LEAST_EFFECT = 0.0005
# Features that are counted are named by what more of them is.
_LESS = (("longer", "shorter"), ("more text", "less text"), ("more", "fewer"), ("later", "earlier"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What the edit does to one feature of the wording (`words`), what that does to trust, and its 90% interval."""

    words: str
    effect: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One assistant: both texts as if new on one axis, the change, and what moved it. `rest` is what the features that
    are not shown, the wording beyond them and the certainty add to it."""

    told: ForeseenTrust
    bars: Beside
    change: Moved
    moved: Sequence[Moved]
    rest: float


def of(
    *, text: str, parent: Prompt, assistants: Sequence[Assistant], now: datetime
) -> dict[str, Any]:
    """The rows, the reach of the axis of changes, and what is wrong with the text if it can't be foreseen."""
    if not assistants:
        return {"foresight": None, "rows": [], "reach": 0.0, "unforeseen": ""}
    try:
        told = AssistantTrustTracker().foresee(
            text=text, parent=parent, assistants=assistants, now=now
        )
    except errors.Refusal as refusal:
        return {"foresight": None, "rows": [], "reach": 0.0, "unforeseen": refusal.message}
    rows = [_row(one) for one in told.rows]
    return {"foresight": told, "rows": rows, "reach": _reach(rows), "unforeseen": ""}


def record() -> TrackRecord | None:
    """How well such predictions have held here."""
    return AssistantTrustTracker().track_record()


def _row(told: ForeseenTrust) -> Row:
    telling = [one for one in told.effects if abs(one.effect) >= _LEAST_EFFECT]
    moved = [_moved(one) for one in telling[:EFFECTS_SHOWN]]
    change = told.change
    return Row(
        told=told,
        bars=beside.beside(before=told.as_new, after=told.edited),
        change=Moved(words="in all", effect=change.value, low=change.low, high=change.high),
        moved=moved,
        rest=change.value - sum(one.effect for one in moved),
    )


def _moved(one: FeatureEffect) -> Moved:
    return Moved(words=in_words(one), effect=one.effect, low=one.low, high=one.high)


def in_words(one: FeatureEffect) -> str:
    """What the edit does to a feature: “more colons”, “fewer colons”, “now: polite”, “no longer: polite”."""
    more = one.after > one.before
    if not one.counted:
        return f"{'now' if more else 'no longer'}: {one.label}"
    turned = next((pair for pair in _LESS if pair[0] in one.label), None)
    return one.label if more or turned is None else one.label.replace(*turned)


def _reach(rows: Sequence[Row]) -> float:
    """Half the width of an axis around zero that holds every interval shown, in hundredths."""
    ends = [
        abs(end) for row in rows for one in (row.change, *row.moved) for end in (one.low, one.high)
    ]
    return max(0.05, -(-max(ends, default=0.0) * 100 // 1) / 100)
