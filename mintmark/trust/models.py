"""`AssistantPromptTrustMap`, and how far the log is folded; the tables are defined where they are written."""

from mintmark.projection.pair_models import (
    AssistantPromptTrustMap,
    Cursor,
)

__all__ = [
    "AssistantPromptTrustMap",
    "Cursor",
]
