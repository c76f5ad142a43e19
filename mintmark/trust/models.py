"""`AssistantPromptTrustMap` and the position of the projections; the tables are defined in the package that writes
them."""

from mintmark.projection.pair_models import AssistantPromptTrustMap, ProjectionCheckpoint

__all__ = [
    "AssistantPromptTrustMap",
    "ProjectionCheckpoint",
]
