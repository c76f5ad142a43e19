"""The results of the tracker: data classes only, every score with its interval and the evidence behind it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from mintmark.registry.models import Assistant, Prompt, Ritual
from mintmark.reputation.results import EvidenceRow
from mintmark.scoring.estimate import Estimate


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A measure without a posterior interval; None where nothing was observed."""

    value: float | None
    runs: float


@dataclass(frozen=True, kw_only=True)
class Resonance:
    """The lift of a pair over what assistant and prompt each predict alone, in [−1, 1]; the parts add up exactly."""

    value: float
    task: float
    wording: float
    own_record: float


@dataclass(frozen=True, kw_only=True)
class TaskTrust:
    """What a pair has measured on one task, as of its last event there."""

    ritual: Ritual
    trust: Estimate
    last_event: int
    last_at: datetime


@dataclass(frozen=True, kw_only=True)
class TrustMatrixRow:
    """One prompt in an assistant's trust matrix.

    `trust` is told on `ritual`, the task that was named or else the prompt's home: measured there, or predicted where
    its `runs` are 0. `bound` is the lower bound that gates go by; `other_tasks` is what the pair has measured
    elsewhere, the most runs first. `runs` counts all tasks. `swarm` is the mean trust over all measured assistants
    (None: not requested).
    """

    prompt: Prompt
    ritual: Ritual | None
    trust: Estimate
    bound: float
    other_tasks: tuple[TaskTrust, ...]
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
class TrustMatrix:
    """A page of an assistant's trust matrix; `total` rows match, `as_of` is the newest event folded."""

    assistant: Assistant
    rows: tuple[TrustMatrixRow, ...]
    total: int
    as_of: int
    policy: int


@dataclass(frozen=True, kw_only=True)
class PairExplanation:
    """Why an assistant trusts a prompt as it does; `runs` are all measured runs of the pairing, by provenance."""

    row: TrustMatrixRow
    baseline: float
    events: tuple[EvidenceRow, ...]
    failed_checks: tuple[EvidenceRow, ...]
    runs: Mapping[str, int]
    as_of: int
    policy: int


@dataclass(frozen=True, kw_only=True)
class Affinity:
    """How similar a prompt is to an assistant's memory, in [0, 1]: its largest similarity, to the `entry` of that key.

    Both are None for an empty memory. Of all `entries` the newest `compared` were read; `by` spelling or by vectors of
    the `model`; `note` says why it is not the configured one. It is not evidence, and not part of any score.
    """

    score: float | None
    entry: str | None
    compared: int
    entries: int
    by: Literal["spelling", "vectors"]
    model: str
    note: str


@dataclass(frozen=True, kw_only=True)
class AssistantTrust:
    """The trust of one assistant in a prompt on a task; `is_own`: the assistant belongs to the caller's teams."""

    assistant: Assistant
    trust: Estimate
    is_own: bool


@dataclass(frozen=True, kw_only=True)
class AssistantWordingEffect:
    """The effect of a feature of the wording for an assistant, in points of score, with its 90% interval; `own_effect`
    is the part of this assistant alone, `prompts` how many of its tried prompts show the feature, `examples` some."""

    name: str
    label: str
    effect: float
    low: float
    high: float
    own_effect: float
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
class RankedPrompt:
    """A prompt, its task, and an assistant's trust in it there, tried or not; `bound` is the lower bound that gates go
    by."""

    prompt: Prompt
    ritual: Ritual
    trust: Estimate
    bound: float


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """The first of `total` prompts for a task, in the requested order."""

    rows: tuple[RankedPrompt, ...]
    total: int
    as_of: int
    policy: int


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


@dataclass(frozen=True, kw_only=True)
class EditFeatureEffect:
    """The effect of one readable feature that an edit changes for one assistant, with its 90% interval, in points of
    score (0.04 = four points). `before` and `after` are the feature in the parent and in the edited text as
    `scoring.text_features` measures it: 0 or 1 or, where `counted`, a number (mostly a logarithm: say "more" or
    "less")."""

    name: str
    label: str
    counted: bool
    before: float
    after: float
    effect: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class ForeseenTrust:
    """The predicted trust of one assistant in an edited text, beside its parent.

    `parent_trust` is the parent's trust as the matrix has it, with whatever record it has. A new text has no record, so
    the comparison is of the two texts as if new: `as_new` is the parent's, `edited` the edited one's, `change` (in [−1,
    1]) the difference, due to wording alone. Its interval says how surely that wording is known to work; other
    differences between prompts are in the wider intervals of `as_new` and `edited`. `change.value` is the exact sum of
    the `effects` (the largest first), `hashed` (the wording beyond readable features) and `spread` (the effect of being
    more or less certain on an expected score). `runs` is 0 except for `parent_trust`.
    """

    assistant: Assistant
    parent_trust: Estimate
    as_new: Estimate
    edited: Estimate
    change: Estimate
    effects: tuple[EditFeatureEffect, ...]
    hashed: float
    spread: float


@dataclass(frozen=True, kw_only=True)
class Foresight:
    """The predicted trust in an unregistered text, a row for each requested assistant, in that order.

    `ritual` is the task of the prediction, None where the parent has none. `measured_task` says whether wording has
    been measured on that task here: if not, the prediction includes nothing of what suits the task, and both texts are
    compared with the parent's.
    """

    parent: Prompt
    ritual: Ritual | None
    measured_task: bool
    rows: tuple[ForeseenTrust, ...]
    as_of: int
    policy: int


@dataclass(frozen=True, kw_only=True)
class TrackRecord:
    """How accurate predictions of never-run prompts were here, each compared with the first measured score.

    Of the newest `prompts` such prompts: `mean_error` is the mean of |expected − scored|, the noise of the runs
    included; `plain_error` the same if each had been predicted as the mean of them all, known in hindsight.
    `rank_correlation` (Spearman, None where nothing varies) is over all of them, easy tasks and hard ones together;
    `rank_within` compares prompts of one assistant and task alone, so it shows what wording predicted: over the
    `compared` prompts that share theirs with another, None where those are too few.
    """

    prompts: int
    mean_error: float
    plain_error: float
    rank_correlation: float | None
    rank_within: float | None
    compared: int
