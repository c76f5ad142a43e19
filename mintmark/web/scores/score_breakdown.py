"""The sources of a trust score as the page lists them: plain words, amounts, bars."""

from dataclasses import dataclass

from mintmark.reputation.results import PromptReputation

from ..charts import waterfall
from ..charts.waterfall import WaterfallStep

PLAIN_WORDS = {
    "prior": "prior: the average of prompts in this task",
    "outcome": "measured outcomes",
    "replay": "replays",
    "approval": "approvals by assistants",
    "rating": "ratings by people",
    "clipping": "limited to the range from 0 to 1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreSource:
    """One line of the sum that makes a score: `counted` runs or opinions, which count as `runs` in it."""

    name: str
    plain: str
    amount: float
    counted: float
    runs: float
    step: WaterfallStep


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreBreakdown:
    """The lines in the order of the sum, and the axis of their bars."""

    items: list[ScoreSource]
    start: float
    end: float


def build_breakdown(reputation: PromptReputation) -> ScoreBreakdown:
    """Where a trust score comes from; the amounts of the lines add up to it."""
    terms = reputation.contributions
    chart = waterfall.build_waterfall(
        amounts=[term.amount for term in terms],
        low=reputation.trust.low,
        high=reputation.trust.high,
    )
    score_sources = [
        ScoreSource(
            name=term.source,
            plain=PLAIN_WORDS.get(term.source, term.label),
            amount=term.amount,
            counted=term.counted,
            runs=term.runs,
            step=step,
        )
        for term, step in zip(terms, chart.steps, strict=True)
    ]
    return ScoreBreakdown(items=score_sources, start=chart.start, end=chart.end)
