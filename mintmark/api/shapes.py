"""Shapes that several nouns share: how a prompt, an assistant, a ritual are named, and what a score says."""

from typing import Annotated, TypedDict

from pydantic import Field

from mintmark.registry.models import Assistant, Prompt, Ritual
from mintmark.reputation import answers
from mintmark.trust import projector

AsOf = Annotated[int, Field(description="the last event of the log that this takes into account")]
Policy = Annotated[int, Field(description="the version of the policy under which it stands")]
Score = Annotated[float, Field(description="in [0, 1]")]
Runs = Annotated[
    float, Field(description="effective runs; 0: nothing was observed, the value is prior")
]


class Named(TypedDict):
    """A thing by its id and its name."""

    id: int
    name: str


class PromptNamed(TypedDict):
    """A prompt by its id and its reference."""

    id: int
    reference: str
    title: str


class RitualNamed(TypedDict):
    """A ritual by its id, name and version."""

    id: int
    name: str
    version: int


class EstimateShape(TypedDict):
    """An estimate with its 90% interval and the effective runs behind it."""

    value: float
    low: float
    high: float
    runs: Runs


class Current(TypedDict):
    """How current an answer is."""

    as_of: int
    policy: int


def current() -> Current:
    """Up to which event scores are folded now, and under which policy."""
    at = projector.cursor()
    return {"as_of": at.event, "policy": at.policy_id}


def estimate(told: answers.Estimate) -> EstimateShape:
    return {"value": told.value, "low": told.low, "high": told.high, "runs": told.runs}


def prompt(row: Prompt) -> PromptNamed:
    return {"id": row.pk, "reference": row.reference, "title": row.title}


def assistant(row: Assistant) -> Named:
    return {"id": row.pk, "name": row.name}


def ritual(row: Ritual | None) -> RitualNamed | None:
    return None if row is None else {"id": row.pk, "name": row.name, "version": row.version}
