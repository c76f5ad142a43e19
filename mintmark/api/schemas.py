"""Shapes that several nouns share: how a prompt, an assistant, a ritual are named, and what a score says."""

from typing import Annotated, TypedDict

from pydantic import Field

from mintmark.projection import projector
from mintmark.registry.models import Assistant, Prompt, Ritual
from mintmark.reputation.results import ProvenanceShares
from mintmark.scoring.estimate import Estimate

AsOf = Annotated[int, Field(description="the last event of the log that this takes into account")]
Policy = Annotated[int, Field(description="the version of the policy under which it stands")]
Score = Annotated[float, Field(description="in [0, 1]")]
Runs = Annotated[
    float, Field(description="effective runs; 0: nothing was observed, the value is prior")
]


class AssistantRef(TypedDict):
    """A thing by its id and its name."""

    id: int
    name: str


class PromptRef(TypedDict):
    """A prompt by its id and its reference."""

    id: int
    reference: str
    title: str


class RitualRef(TypedDict):
    """A ritual by its id, name and version."""

    id: int
    name: str
    version: int


class EstimateOut(TypedDict):
    """An estimate with its 90% interval and the effective runs behind it."""

    value: float
    low: float
    high: float
    runs: Runs


class ScoreVersionOut(TypedDict):
    """How current an answer is."""

    as_of: int
    policy: int


def get_score_version() -> ScoreVersionOut:
    """Up to which event scores are projected now, and under which policy."""
    checkpoint = projector.get_checkpoint()
    return {"as_of": checkpoint.event, "policy": checkpoint.policy_id}


def serialize_estimate(estimate: Estimate) -> EstimateOut:
    return {
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "runs": estimate.runs,
    }


class ProvenanceSharesOut(TypedDict):
    """What the effective runs of a score come from, in parts that add up to 1: executed by the installation (or vouched
    for), claimed and checked in part, reported and unchecked, opinion."""

    executed: Score
    claimed: Score
    word: Score
    opinion: Score


def serialize_provenance(shares: ProvenanceShares) -> ProvenanceSharesOut:
    return {
        "executed": shares.executed,
        "claimed": shares.claimed,
        "word": shares.word,
        "opinion": shares.opinion,
    }


def serialize_prompt_ref(row: Prompt) -> PromptRef:
    return {"id": row.pk, "reference": row.reference, "title": row.title}


def serialize_assistant_ref(row: Assistant) -> AssistantRef:
    return {"id": row.pk, "name": row.name}


def serialize_ritual_ref(row: Ritual | None) -> RitualRef | None:
    return None if row is None else {"id": row.pk, "name": row.name, "version": row.version}
