"""`PromptReputationScore` and other projections about prompts; the tables are defined in the package that writes
them."""

from mintmark.projection.prompt_models import (
    EventEffect,
    FoldState,
    ForeignReputation,
    LiveRating,
    Policy,
    PromptReputationScore,
    Standing,
)

__all__ = [
    "EventEffect",
    "FoldState",
    "ForeignReputation",
    "LiveRating",
    "Policy",
    "PromptReputationScore",
    "Standing",
]
