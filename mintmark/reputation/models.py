"""`PromptReputationScore` and other projections about prompts; the tables are defined in the package that writes
them."""

from mintmark.projection.prompt_models import (
    ActiveRating,
    CurrentPromptScore,
    EventEffect,
    ImportedReputation,
    Policy,
    ProjectionState,
    PromptReputationScore,
)

__all__ = [
    "ActiveRating",
    "CurrentPromptScore",
    "EventEffect",
    "ImportedReputation",
    "Policy",
    "ProjectionState",
    "PromptReputationScore",
]
