"""What an edit changed, for those who may read both texts; and what it gained: “costs scout 4 to 9 points”."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mintmark.accounts.callers import Caller
from mintmark.market import forks
from mintmark.market.forks import DiffLine
from mintmark.registry import prompts
from mintmark.registry.models import Assistant, Prompt
from mintmark.reputation.ledger import PromptReputationLedger
from mintmark.reputation.results import AssistantGain
from mintmark.scoring.estimate import Estimate

from .. import number_format

EFFECTS_AT_FIRST = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectWords:
    """A gain in words: `does` something, and how many `points` of score, its 90% interval. `sign` is "open" where the
    interval holds 0."""

    sign: Literal["gain", "cost", "open"]
    verb: str
    points: str

    def __str__(self) -> str:
        return f"{self.verb} {self.points}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AssistantEffect:
    """What the edit did for one assistant; `mine`: it is one of the reader's teams'."""

    assistant: Assistant
    gain: Estimate
    words: EffectWords
    is_own: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeLabel:
    """What a line of the lineage says of its edit: the signed `span` written on it, and all of it in words, `told`."""

    words: EffectWords
    span: str
    description: str


def build_edit_effect(
    *, prompt: Prompt, caller: Caller, ledger: PromptReputationLedger
) -> dict[str, Any]:
    """What `web/parts/gained.html` shows: the difference to the parent, the gain over all, a sentence an assistant."""
    gains = ledger.get_edit_gains(prompt=prompt)
    effects = _build_effects(gains.assistants, caller=caller)
    return {
        "diff": _build_diff(prompt, caller=caller),
        "gain": gains.overall,
        "gain_in_words": describe_gain(gains.overall) if gains.overall is not None else None,
        "sentences": effects[:EFFECTS_AT_FIRST],
        "more_sentences": effects[EFFECTS_AT_FIRST:],
        "sentences_in_all": len(effects),
        "reach": (reach := _get_reach(effects)),
        "axis": (-reach / 100.0, reach / 100.0),
    }


def describe_edge(gain: Estimate, *, child: Prompt) -> EdgeLabel:
    """What is said of the line from a parent to its child."""
    effect_words = describe_gain(gain)
    return EdgeLabel(
        words=effect_words,
        span=format_interval(gain),
        description=f"{child.reference} {effect_words} compared with its parent, over all assistants that ran both",
    )


def describe_gain(gain: Estimate) -> EffectWords:
    """What a gain says once its doubt is counted: nothing can be told of one whose interval holds 0."""
    if gain.low > 0.0:
        return EffectWords(sign="gain", verb="gains", points=_format_range(gain.low, gain.high))
    if gain.high < 0.0:
        return EffectWords(sign="cost", verb="costs", points=_format_range(-gain.high, -gain.low))
    return EffectWords(
        sign="open",
        verb="has no clear effect",
        points=f"({format_interval(gain)} points)",
    )


def format_interval(gain: Estimate) -> str:
    """The interval of a gain in points, signed: −3 to +4."""
    low, high = (
        ("−" if end < 0.0 else "+") + number_format.format_points(abs(end))
        for end in (gain.low, gain.high)
    )
    return f"{low} to {high}"


def _format_range(low: float, high: float) -> str:
    lowest, highest = number_format.format_points(low), number_format.format_points(high)
    if lowest == highest:
        return f"about {highest} point{'' if highest == '1' else 's'}"
    return f"{lowest} to {highest} points"


def _build_effects(
    assistant_gains: Sequence[AssistantGain], *, caller: Caller
) -> list[AssistantEffect]:
    """The reader's own assistants first, then those for whom something can be told, the largest differences first."""
    effects = [
        AssistantEffect(
            assistant=gain_row.assistant,
            gain=gain_row.gain,
            words=describe_gain(gain_row.gain),
            is_own=gain_row.assistant.team_id in caller.team_ids,
        )
        for gain_row in assistant_gains
    ]
    return sorted(effects, key=lambda effect: (not effect.is_own, effect.words.sign == "open"))


def _get_reach(effects: Sequence[AssistantEffect]) -> int:
    """Half the width, in points, of an axis around zero that holds every interval."""
    ends = [abs(end) for effect in effects for end in (effect.gain.low, effect.gain.high)]
    return max(10, math.ceil(10.0 * max(ends, default=0.0)) * 10)


def _build_diff(prompt: Prompt, *, caller: Caller) -> list[DiffLine] | None:
    """What was changed from the parent, for those who may read both texts; None for all others."""
    parent = prompt.parent
    if parent is None or not all(
        prompts.may_read_text(caller=caller, prompt=version) for version in (parent, prompt)
    ):
        return None
    return forks.diff(before=parent.text, after=prompt.text)
