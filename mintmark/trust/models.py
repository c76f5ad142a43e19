"""The trust of pairs, by task too, and the position of the projections; the tables are defined in the package that
writes them."""

from mintmark.projection.pair_models import (
    AssistantPromptTaskTrust,
    AssistantPromptTrustMap,
    ProjectionCheckpoint,
)

__all__ = [
    "AssistantPromptTaskTrust",
    "AssistantPromptTrustMap",
    "ProjectionCheckpoint",
]
