"""`PromptReputationScore` and what else is derived of a prompt; the tables are defined where they are written."""

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
