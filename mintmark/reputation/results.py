"""The results of the ledger: data classes only, every score with its interval and the evidence behind it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from mintmark.projection.imported_reputation import ImportedPrior
from mintmark.registry.models import Assistant, Prompt, Ritual
from mintmark.scoring.estimate import Estimate


@dataclass(frozen=True, kw_only=True)
class Contribution:
    """One term of a trust score: its `amount` in points of score (0.11 = eleven points), the effective `runs` it
    counts for, the raw `counted` runs or opinions, and the `inherited` part of `runs`."""

    source: str
    label: str
    amount: float
    runs: float
    counted: float
    inherited: float


@dataclass(frozen=True, kw_only=True)
class ProvenanceShares:
    """What a score's effective runs come from, in parts of them that add up to 1; all 0 where nothing was recorded."""

    executed: float
    claimed: float
    word: float
    opinion: float


def compute_shares(runs: Mapping[str, float]) -> ProvenanceShares:
    """The shares of executed (or vouched for), claimed, unchecked and merely felt evidence in these effective runs, by
    source."""
    parts = [
        runs.get("outcome", 0.0) + runs.get("replay", 0.0),
        runs.get("claim", 0.0),
        runs.get("word", 0.0),
        runs.get("approval", 0.0) + runs.get("rating", 0.0),
    ]
    total = sum(parts)
    executed, claimed, word, opinion = (part / total if total else 0.0 for part in parts)
    return ProvenanceShares(executed=executed, claimed=claimed, word=word, opinion=opinion)


@dataclass(frozen=True, kw_only=True)
class RatingMeans:
    """Live ratings: their plain mean, their mean after weighting by the raters' records, and their number."""

    raw: float | None
    weighted: float | None
    count: int


@dataclass(frozen=True, kw_only=True)
class PromptReputation:
    """A prompt's reputation as of now. The amounts of `contributions` add up to `trust.value`.

    `imported` is its imported reputation, if it has one: a part of what the outcomes' contribution inherited.
    """

    prompt: Prompt
    policy: int
    as_of: int
    as_of_time: datetime | None
    home: Ritual | None
    trust: Estimate
    bound: float
    rank: int | None
    ranked: int
    effectiveness: Estimate
    approval: Estimate
    contributions: tuple[Contribution, ...]
    rating: RatingMeans
    rating_tags: Mapping[str, int]
    inherited_from: Prompt | None
    imported: ImportedPrior | None

    @property
    def provenance(self) -> ProvenanceShares:
        """What the score's effective runs come from."""
        return compute_shares({term.source: term.runs for term in self.contributions})


@dataclass(frozen=True, kw_only=True)
class ReputationSummary:
    """A summary of a reputation: trust, an average prompt's score on the same task, the home (None without one), the
    prompt's own runs, approvals and live ratings by source, and what the score's effective runs come from."""

    trust: Estimate
    average: float
    home: Ritual | None
    counted: Mapping[str, float]
    provenance: ProvenanceShares


@dataclass(frozen=True, kw_only=True)
class ScoreSnapshot:
    """One row of a prompt's history."""

    at: datetime
    trust: float
    low: float
    high: float
    effectiveness: float
    approval: float
    event: int
    policy: int


@dataclass(frozen=True, kw_only=True)
class EvidenceRow:
    """One event of a prompt, with its expected value and its effect on the score; `counts` says what it counts for, and
    why."""

    event: int
    kind: str
    assistant: str | None
    assistant_id: int | None
    actor: str
    ritual: str | None
    score: float
    runs: int
    expected: float | None
    moved: float | None
    occurred_at: datetime
    note: str
    tags: Sequence[str]
    admissible: bool
    provenance: str
    counts: str
    reporter_team_id: int | None


@dataclass(frozen=True, kw_only=True)
class LineageNode:
    prompt: Prompt
    trust: Estimate
    is_self: bool


@dataclass(frozen=True, kw_only=True)
class LineageEdge:
    """A derivation. `gain` is the child's mean lift over the parent, assistant by assistant on the same ritual, with
    its 90% interval; None where no assistant has run both."""

    parent: int
    child: int
    derivation: str
    note: str
    gain: Estimate | None


@dataclass(frozen=True, kw_only=True)
class Lineage:
    nodes: tuple[LineageNode, ...]
    edges: tuple[LineageEdge, ...]


@dataclass(frozen=True, kw_only=True)
class AssistantGain:
    """What an edit gained (or, below 0, cost) one assistant, with its 90% interval."""

    assistant: Assistant
    gain: Estimate


@dataclass(frozen=True, kw_only=True)
class EditGains:
    """A prompt compared with its `parent` (None where it has none) on the same assistants and rituals.

    `overall` is None where no assistant has run both; `assistants` are those that have, the largest differences first.
    """

    parent: Prompt | None
    overall: Estimate | None
    assistants: tuple[AssistantGain, ...]
