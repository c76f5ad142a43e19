"""The sources of a trust score as the page lists them: plain words, amounts, bars."""

from collections.abc import Sequence
from dataclasses import dataclass

from mintmark.reputation.ledger import Contribution

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
    """One line of the sum that makes a score."""

    name: str
    plain: str
    amount: float
    runs: float
    step: Step


def listed(terms: Sequence[Contribution]) -> list[Source]:
    """The terms of a score in the order of its sum, each with its bar; they add up to the score."""
    steps = contributions.waterfall(amounts=[term.amount for term in terms])
    return [
        Source(
            name=term.source,
            plain=PLAIN_WORDS.get(term.source, term.label),
            amount=term.amount,
            runs=term.runs,
            step=step,
        )
        for term, step in zip(terms, steps, strict=True)
    ]
