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
from mintmark.reputation.answers import AssistantGain, Estimate
from mintmark.reputation.ledger import PromptReputationLedger

from . import figures

SENTENCES_AT_FIRST = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """A gain in words: `does` something, and how many `points` of score, its 90% interval. `sign` is "open" where the
    interval holds 0."""

    sign: Literal["gain", "cost", "open"]
    does: str
    points: str

    def __str__(self) -> str:
        return f"{self.does} {self.points}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """What the edit did for one assistant; `mine`: it is one of the reader's teams'."""

    assistant: Assistant
    gain: Estimate
    words: Words
    mine: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OnEdge:
    """What a line of the lineage says of its edit: the signed `span` written on it, and all of it in words, `told`."""

    words: Words
    span: str
    told: str


def of(*, prompt: Prompt, caller: Caller) -> dict[str, Any]:
    """What `web/parts/gained.html` shows: the difference to the parent, the gain over all, a sentence an assistant."""
    told = PromptReputationLedger().gains(prompt=prompt)
    sentences = _sentences(told.assistants, caller=caller)
    return {
        "diff": _diff(prompt, caller=caller),
        "gain": told.overall,
        "gain_in_words": in_words(told.overall) if told.overall is not None else None,
        "sentences": sentences[:SENTENCES_AT_FIRST],
        "more_sentences": sentences[SENTENCES_AT_FIRST:],
        "sentences_in_all": len(sentences),
        "reach": (reach := _reach(sentences)),
        "axis": (-reach / 100.0, reach / 100.0),
    }


def on_edge(gain: Estimate, *, child: Prompt) -> OnEdge:
    """What is said of the line from a parent to its child."""
    words = in_words(gain)
    return OnEdge(
        words=words,
        span=span(gain),
        told=f"{child.reference} {words} against its parent, over all assistants that ran both",
    )


def in_words(gain: Estimate) -> Words:
    """What a gain says once its doubt is counted: nothing can be told of one whose interval holds 0."""
    if gain.low > 0.0:
        return Words(sign="gain", does="gains", points=_points(gain.low, gain.high))
    if gain.high < 0.0:
        return Words(sign="cost", does="costs", points=_points(-gain.high, -gain.low))
    return Words(
        sign="open",
        does="changes nothing that can be told",
        points=f"({span(gain)} points)",
    )


def span(gain: Estimate) -> str:
    """The interval of a gain in points, signed: −3 to +4."""
    low, high = (
        ("−" if end < 0.0 else "+") + figures.points(abs(end)) for end in (gain.low, gain.high)
    )
    return f"{low} to {high}"


def _points(low: float, high: float) -> str:
    least, most = figures.points(low), figures.points(high)
    if least == most:
        return f"about {most} point{'' if most == '1' else 's'}"
    return f"{least} to {most} points"


def _sentences(told: Sequence[AssistantGain], *, caller: Caller) -> list[Sentence]:
    """The reader's own assistants first, then those for whom something can be told, the largest differences first."""
    found = [
        Sentence(
            assistant=one.assistant,
            gain=one.gain,
            words=in_words(one.gain),
            mine=one.assistant.team_id in caller.team_ids,
        )
        for one in told
    ]
    return sorted(found, key=lambda one: (not one.mine, one.words.sign == "open"))


def _reach(sentences: Sequence[Sentence]) -> int:
    """Half the width, in points, of an axis around zero that holds every interval."""
    ends = [abs(end) for one in sentences for end in (one.gain.low, one.gain.high)]
    return max(10, math.ceil(10.0 * max(ends, default=0.0)) * 10)


def _diff(prompt: Prompt, *, caller: Caller) -> list[DiffLine] | None:
    """What was changed from the parent, for those who may read both texts; None for all others."""
    parent = prompt.parent
    if parent is None or not all(
        prompts.may_read_text(caller=caller, prompt=one) for one in (parent, prompt)
    ):
        return None
    return forks.diff(before=parent.text, after=prompt.text)
