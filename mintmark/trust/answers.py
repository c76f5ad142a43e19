"""What the tracker answers: shapes only, every score-like number with its interval and the evidence behind it."""

from dataclasses import dataclass
from datetime import datetime

from mintmark.registry.models import Assistant, Prompt, Ritual
from mintmark.reputation.answers import Estimate, EvidenceRow


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A measure without a posterior interval; None where nothing was observed."""

    value: float | None
    runs: float


@dataclass(frozen=True, kw_only=True)
class Resonance:
    """The lift of a pairing over what assistant and prompt each predict alone, in [−1, 1]; the parts add up exactly."""

    value: float
    task: float
    wording: float
    own_record: float


@dataclass(frozen=True, kw_only=True)
class MatrixRow:
    """One prompt in an assistant's trust matrix. `swarm` is the mean trust over all measured
    assistants (None: not asked for)."""

    prompt: Prompt
    ritual: Ritual | None
    trust: Estimate
    swarm: float | None
    resonance: Resonance
    compliance: Estimate
    volatility: Measure
    mutation: Measure
    memory: Estimate
    runs: float
    last_event: int
    last_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """A page of an assistant's trust matrix; `total` rows match, `as_of` is the newest event folded."""

    assistant: Assistant
    rows: tuple[MatrixRow, ...]
    total: int
    as_of: int
    policy: int


@dataclass(frozen=True, kw_only=True)
class PairExplanation:
    """Why an assistant trusts a prompt as it does."""

    row: MatrixRow
    baseline: float
    events: tuple[EvidenceRow, ...]
    failed_checks: tuple[EvidenceRow, ...]
    as_of: int
    policy: int


@dataclass(frozen=True, kw_only=True)
class AssistantTrust:
    """How one assistant stands with a prompt; `mine` says that it belongs to the caller's teams."""

    assistant: Assistant
    trust: Estimate
    mine: bool


@dataclass(frozen=True, kw_only=True)
class WordingEffect:
    """What a feature of the wording does for an assistant, in points of score, with its 90% interval; `own` is the
    part that is this assistant's alone, `prompts` how many of its tried prompts show the feature, `examples` some."""

    name: str
    label: str
    effect: float
    low: float
    high: float
    own: float
    prompts: int
    examples: tuple[Prompt, ...]


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """A prompt that the assistant never tried, with the odds (a probability) that it beats the incumbent."""

    prompt: Prompt
    ritual: Ritual
    trust: Estimate
    odds: float
    incumbent: Prompt | None
    incumbent_trust: Estimate | None


@dataclass(frozen=True, kw_only=True)
class HeatMap:
    """Expected scores, `trust[i][j]` of assistant i with prompt j."""

    assistants: tuple[Assistant, ...]
    prompts: tuple[Prompt, ...]
    trust: tuple[tuple[float, ...], ...]
    runs: tuple[tuple[float, ...], ...]
    ritual: Ritual
    as_of: int
    policy: int
