"""The sources of a trust score as the page lists them: plain words, amounts, bars."""

from dataclasses import dataclass

from mintmark.reputation.answers import Reputation

from .charts import contributions
from .charts.contributions import Step

PLAIN_WORDS = {
    "prior": "what prompts earn in this task",
    "outcome": "measured outcomes",
    "replay": "replays",
    "approval": "approvals by assistants",
    "rating": "ratings by people",
    "clipping": "kept within 0 and 1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One line of the sum that makes a score: `counted` runs or opinions, which count as `runs` in it."""

    name: str
    plain: str
    amount: float
    counted: float
    runs: float
    step: Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """The lines in the order of the sum, and the axis of their bars."""

    lines: list[Source]
    start: float
    end: float


def of(reputation: Reputation) -> Sources:
    """Where a trust score comes from; the amounts of the lines add up to it."""
    terms = reputation.contributions
    drawn = contributions.waterfall(
        amounts=[term.amount for term in terms],
        low=reputation.trust.low,
        high=reputation.trust.high,
    )
    lines = [
        Source(
            name=term.source,
            plain=PLAIN_WORDS.get(term.source, term.label),
            amount=term.amount,
            counted=term.counted,
            runs=term.runs,
            step=step,
        )
        for term, step in zip(terms, drawn.steps, strict=True)
    ]
    return Sources(lines=lines, start=drawn.start, end=drawn.end)
